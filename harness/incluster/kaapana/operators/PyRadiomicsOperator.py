# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Radiomics features of masks (operators 5.10)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class PyRadiomicsOperator(KaapanaBaseOperator):
    """Parameters as in operators 5.10; name and memory are fixed. Skipped unless the form's ``radiomics`` is true."""

    def __init__(
        self,
        dag: Any,
        segmentation_operator: Any,
        alg_name: str | None = None,
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(minutes=90),
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "OPERATOR_IN_SEGMENATIONS_DIR": segmentation_operator.operator_out_dir,
                "ALGORITHM_NAME": alg_name,
            }
        )
        super().__init__(
            dag=dag,
            name="pyradiomics",
            image=f"{DEFAULT_REGISTRY}/pyradiomics:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=3000,
            ram_mem_mb_lmt=6000,
            **kwargs,
        )
