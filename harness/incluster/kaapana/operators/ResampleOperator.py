# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Brings masks or images onto the grid of a reference image (operators 5.9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class ResampleOperator(KaapanaBaseOperator):
    """Parameters as in operators 5.9; name and memory are fixed.

    ``interpolator`` reaches the tool unchanged: 1 nearest neighbour, 2 linear, 3 B-spline, 4 and 5 windowed sinc.
    ``format`` and ``original_img_batch_name`` have no effect.
    """

    def __init__(
        self,
        dag: Any,
        original_img_operator: Any,
        original_img_batch_name: str | None = None,
        format: str = "nii.gz",
        interpolator: int = 1,
        copy_target_data: bool = False,
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(minutes=320),
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "FORMAT": format,
                "ORG_IMG_IN_DIR": original_img_operator.operator_out_dir,
                "ORG_IMG_BATCH_NAME": None if original_img_batch_name is None else str(original_img_batch_name),
                "COPY_DATA": str(copy_target_data),
                "INTERPOLATOR": str(interpolator),
            }
        )
        super().__init__(
            dag=dag,
            name="mitk-resample",
            image=f"{DEFAULT_REGISTRY}/mitk-resample:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=2000,
            **kwargs,
        )
