# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Fetches the series of the dataset into the run's folder (operators 4.1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class GetInputOperator(KaapanaBaseOperator):
    """Parameters as in operators 4.1; ``env_vars``, memory limit, time-out and concurrency are fixed."""

    def __init__(
        self,
        dag: Any,
        name: str = "get-input-data",
        data_type: str = "dicom",
        check_modality: bool = False,
        parallel_downloads: int = 3,
        include_custom_tag_property: str = "",
        exclude_custom_tag_property: str = "",
        batch_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/get-input:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars={
                "DATA_TYPE": data_type,
                "CHECK_MODALITY": str(check_modality),
                "PARALLEL_DOWNLOADS": str(parallel_downloads),
                "INCLUDE_CUSTOM_TAG_PROPERTY": include_custom_tag_property,
                "EXCLUDE_CUSTOM_TAG_PROPERTY": exclude_custom_tag_property,
                "BATCH_NAME": batch_name,
            },
            batch_name=batch_name,
            ram_mem_mb_lmt=10000,
            max_active_tis_per_dag=10,
            execution_timeout=timedelta(minutes=60),
            **kwargs,
        )
