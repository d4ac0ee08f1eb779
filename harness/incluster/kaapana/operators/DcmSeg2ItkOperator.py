# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Turns DICOM SEG objects into masks (operators 5.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class DcmSeg2ItkOperator(KaapanaBaseOperator):
    """Parameters as in operators 5.4; name and memory are fixed. ``output_format`` is ``nrrd`` unless given."""

    def __init__(
        self,
        dag: Any,
        output_format: str | None = None,
        seg_filter: str | None = None,
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(minutes=90),
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "OUTPUT_TYPE": output_format or "nrrd",
                "SEG_FILTER": seg_filter or "",
                "DCMQI_COMMAND": "segimage2itkimage",
            }
        )
        super().__init__(
            dag=dag,
            name="dcmseg2nrrd",
            image=f"{DEFAULT_REGISTRY}/dcmqi:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=3000,
            ram_mem_mb_lmt=20000,
            **kwargs,
        )
