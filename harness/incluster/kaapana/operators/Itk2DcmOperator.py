# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Turns NIfTI files into DICOM series, each a new element (operators 5.13)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class Itk2DcmOperator(KaapanaBaseOperator):
    """Parameters as in operators 5.13; memory is fixed. The form's ``modality`` is the modality, ``OT`` without."""

    def __init__(
        self,
        dag: Any,
        name: str | None = None,
        execution_timeout: timedelta = timedelta(minutes=90),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            name=name or "itk2dcm-converter",
            image=f"{DEFAULT_REGISTRY}/itk2dcm:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            execution_timeout=execution_timeout,
            ram_mem_mb=6000,
            ram_mem_mb_lmt=12000,
            **kwargs,
        )
