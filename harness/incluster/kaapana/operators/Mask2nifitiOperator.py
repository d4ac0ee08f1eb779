# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Turns DICOM SEG and RTSTRUCT objects into masks (operators 5.3; the spelling is the platform's)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class Mask2nifitiOperator(KaapanaBaseOperator):
    """Parameters as in operators 5.3; name and memory are fixed.

    ``dicom_operator`` delivered the images that an RTSTRUCT refers to.
    """

    def __init__(
        self,
        dag: Any,
        dicom_operator: Any = None,
        output_type: str = "nii.gz",
        seg_filter: str | None = None,
        exit_on_error: bool = True,
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(days=5),
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "BASE_DICOM_DIR": dicom_operator.operator_out_dir if dicom_operator is not None else None,
                "OUTPUT_TYPE": output_type,
                "SEG_FILTER": seg_filter,
                "EXIT_ON_ISSUE": str(exit_on_error),
            }
        )
        super().__init__(
            dag=dag,
            name="mask2nifti",
            image=f"{DEFAULT_REGISTRY}/mask2nifti:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=3000,
            ram_mem_mb_lmt=20000,
            **kwargs,
        )
