# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Fetches the series that a segmentation refers to, or others of its study (operators 5.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class GetRefSeriesOperator(KaapanaBaseOperator):
    """Parameters as in operators 5.2; ``env_vars``, memory, time-out and concurrency are fixed.

    ``search_policy`` is ``reference_uid``, ``study_uid`` or ``search_query``.

    Raises:
        AssertionError: ``data_type`` is neither dicom nor json, or the search query is missing or has no ``bool``.
    """

    def __init__(
        self,
        dag: Any,
        name: str = "get-ref-series",
        search_policy: str = "reference_uid",
        data_type: str = "dicom",
        search_query: dict[str, Any] | None = None,
        parallel_downloads: int = 3,
        modalities: Sequence[str] = (),
        custom_tags: Sequence[str] = (),
        skip_empty_ref_dir: bool = False,
        **kwargs: Any,
    ) -> None:
        assert data_type in ("dicom", "json"), f"data_type must be 'dicom' or 'json', not {data_type!r}"
        if search_policy == "search_query":
            assert search_query, "search_policy 'search_query' needs a search_query"
            assert "bool" in search_query, "the search_query must contain 'bool'"
            assert not modalities, "a search_query excludes modalities"
            assert not custom_tags, "a search_query excludes custom_tags"
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/get-ref-series:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars={
                "SEARCH_POLICY": search_policy,
                "DATA_TYPE": data_type,
                "SEARCH_QUERY": json.dumps(search_query or {}),
                "PARALLEL_DOWNLOADS": str(parallel_downloads),
                "MODALITIES": json.dumps(list(modalities)),
                "CUSTOM_TAGS": json.dumps(list(custom_tags)),
                "SKIP_EMPTY_REF_DIR": str(skip_empty_ref_dir),
            },
            ram_mem_mb=1000,
            max_active_tis_per_dag=10,
            execution_timeout=timedelta(minutes=60),
            **kwargs,
        )
