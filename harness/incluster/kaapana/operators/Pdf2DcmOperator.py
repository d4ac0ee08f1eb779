# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Packs PDF documents into DICOM objects (operators 6.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class Pdf2DcmOperator(KaapanaBaseOperator):
    """Parameters as in operators 6.2; the name is fixed. ``manufacturer`` and ``sop_class_uid`` have no effect.

    What is not given is taken from the first DICOM file of ``dicom_operator``.
    """

    def __init__(
        self,
        dag: Any,
        pdf_title: str = "KAAPANA PDF",
        dicom_operator: Any = None,
        aetitle: str | None = None,
        study_uid: str | None = None,
        study_description: str | None = None,
        patient_id: str | None = None,
        patient_name: str | None = None,
        manufacturer: str | None = None,
        sop_class_uid: str | None = None,
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(minutes=10),
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "PDF_TITLE": str(pdf_title),
                "DICOM_IN_DIR": str(dicom_operator.operator_out_dir if dicom_operator is not None else None),
                "AETITLE": str(aetitle),
                "STUDY_UID": str(study_uid),
                "STUDY_DES": str(study_description),
                "PAT_ID": str(patient_id),
                "PAT_NAME": str(patient_name),
                "MANUFACTURER": str(manufacturer),
                "SOP_CLASS_UID": str(sop_class_uid),
            }
        )
        super().__init__(
            dag=dag,
            name="pdf2dcm",
            image=f"{DEFAULT_REGISTRY}/pdf2dcm:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            **kwargs,
        )
