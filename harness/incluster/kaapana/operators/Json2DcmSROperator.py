# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Writes measurements as a DICOM structured report (operators 6.22)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class Json2DcmSROperator(KaapanaBaseOperator):
    """Parameters as in operators 6.22; name and memory are fixed. ``src_dicom_operator`` delivered the images."""

    def __init__(
        self,
        dag: Any,
        src_dicom_operator: Any = None,
        seg_dicom_operator: Any = None,
        input_file_extension: str = "*.json",
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(minutes=90),
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "INPUT_FILE_EXTENSION": input_file_extension,
                "SRC_DICOM_OPERATOR": src_dicom_operator.operator_out_dir if src_dicom_operator is not None else "",
                "SEG_DICOM_OPERATOR": seg_dicom_operator.operator_out_dir if seg_dicom_operator is not None else "",
                "DCMQI_COMMAND": "tid1500writer",
            }
        )
        super().__init__(
            dag=dag,
            name="json2dcmSR",
            image=f"{DEFAULT_REGISTRY}/dcmqi:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=1000,
            **kwargs,
        )
