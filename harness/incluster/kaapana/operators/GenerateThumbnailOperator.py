# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Draws the thumbnail of a series (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class GenerateThumbnailOperator(KaapanaBaseOperator):
    """Draws the thumbnail of a series."""

    not_emulated = "thumbnails are not drawn"

    def __init__(
        self,
        dag: Any,
        get_ref_series_operator: Any,
        env_vars: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        variables = env_vars if env_vars is not None else {}
        variables["GET_REF_SERIES_OPERATOR_DIR"] = str(get_ref_series_operator.operator_out_dir)
        super().__init__(
            dag=dag,
            image=f"{DEFAULT_REGISTRY}/thumbnail-generator:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=variables,
            execution_timeout=timedelta(minutes=15),
            ram_mem_mb=4000,
            ram_mem_mb_lmt=12000,
            **kwargs,
        )
