# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Combines masks of single labels into one, or fuses labels (operators 5.1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class MergeMasksOperator(KaapanaBaseOperator):
    """Parameters as in operators 5.1; ``mode`` is ``combine`` or ``fuse``.

    ``fuse_labels_key`` and ``fused_label_name_key`` name fields of the form, whose values reach the container as
    environment variables.
    """

    def __init__(
        self,
        dag: Any,
        name: str = "combine-masks",
        mode: str = "combine",
        fuse_labels_key: str = "fuse_labels",
        fused_label_name_key: str = "fused_label_name",
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(minutes=60),
        ram_mem_mb: int = 8000,
        gpu_mem_mb: int | None = None,
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "MODE": str(mode),
                "FUSE_LABELS_KEY": fuse_labels_key.upper(),
                "FUSED_LABEL_NAME_KEY": fused_label_name_key.upper(),
            }
        )
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/merge-masks:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=ram_mem_mb,
            gpu_mem_mb=gpu_mem_mb,
            keep_parallel_id=False,
            enable_proxy=True,
            **kwargs,
        )
