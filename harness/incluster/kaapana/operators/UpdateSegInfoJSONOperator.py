# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Writes a label list that says which labels a mask has (operators 5.7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class UpdateSegInfoJSONOperator(KaapanaBaseOperator):
    """Parameters as in operators 5.7; ``update_json`` is the only mode."""

    def __init__(
        self,
        dag: Any,
        name: str = "update-seginfo",
        mode: str = "update_json",
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
            }
        )
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/update-seginfo:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=ram_mem_mb,
            gpu_mem_mb=gpu_mem_mb,
            keep_parallel_id=False,
            enable_proxy=True,
            **kwargs,
        )
