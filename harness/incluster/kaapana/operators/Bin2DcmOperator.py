# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Packs binary files into DICOM objects, and unpacks them (operators 6.1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class Bin2DcmOperator(KaapanaBaseOperator):
    """Parameters as in operators 6.1; ``keep_parallel_id`` and memory are fixed.

    ``size_limit`` is in MiB, 0 never splits a file. ``sop_class_uid`` has no effect.
    """

    execution_timeout = timedelta(minutes=10)

    def __init__(
        self,
        dag: Any,
        dataset_info_operator: Any = None,
        dataset_info_operator_in_dir: str | None = None,
        dicom_operator: Any = None,
        file_extensions: str = "*.zip",
        size_limit: int = 100,
        patient_id: str = "",
        patient_name: str = "",
        protocol_name: str = "",
        instance_name: str = "N/A",
        version: str = "0.0.0",
        manufacturer: str = "KAAPANA",
        manufacturer_model: str = "bin2dcm",
        study_description: str | None = None,
        series_description: str | None = None,
        study_id: str = "bin2dcm",
        study_uid: str | None = None,
        sop_class_uid: str | None = None,
        name: str = "bin2dcm",
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(minutes=10),
        **kwargs: Any,
    ) -> None:
        if dataset_info_operator is not None:
            dataset_info_operator_in_dir = dataset_info_operator.operator_out_dir
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "DATASET_INFO_OPERATOR_DIR": dataset_info_operator_in_dir or "",
                "DICOM_IN_DIR": dicom_operator.operator_out_dir if dicom_operator is not None else "",
                "EXTENSIONS": file_extensions,
                "SIZE_LIMIT_MB": str(size_limit),
                "PATIENT_ID": patient_id,
                "PATIENT_NAME": patient_name,
                "PROTOCOL_NAME": protocol_name,
                "INSTANCE_NAME": instance_name,
                "VERSION": version,
                "MANUFACTURER": manufacturer,
                "MANUFACTURER_MODEL": manufacturer_model,
                "STUDY_DESCRIPTION": "" if study_description is None else study_description,
                "SERIES_DESCRIPTION": "" if series_description is None else series_description,
                "STUDY_ID": study_id,
                "STUDY_UID": "" if study_uid is None else study_uid,
                "SOP_CLASS_UID": "" if sop_class_uid is None else sop_class_uid,
            }
        )
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/bin2dcm:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=5000,
            keep_parallel_id=False,
            **kwargs,
        )
