# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Converts DICOM series to NRRD or NIfTI (operators 4.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class DcmConverterOperator(KaapanaBaseOperator):
    """Parameters as in operators 4.2.

    Raises:
        ValueError: ``output_format`` is not one of nrrd, nii.gz and nii.
    """

    def __init__(
        self,
        dag: Any,
        name: str = "dcm-converter",
        output_format: str = "nrrd",
        parallel_processes: int = 3,
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(hours=10),
        ram_mem_mb: int = 2000,
        ram_mem_mb_lmt: int = 12000,
        **kwargs: Any,
    ) -> None:
        if output_format not in ("nrrd", "nii.gz", "nii"):
            raise ValueError(f"output_format must be 'nrrd', 'nii.gz' or 'nii', not {output_format!r}")
        # the caller's own dictionary is filled, as on the platform (operators 2.1)
        env_vars = {} if env_vars is None else env_vars
        env_vars["CONVERTTO"] = output_format
        env_vars["THREADS"] = str(parallel_processes)
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/mitk-fileconverter:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=ram_mem_mb,
            ram_mem_mb_lmt=ram_mem_mb_lmt,
            **kwargs,
        )
