# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Splits the series of a run into a training and a test set (operators 5.12)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class TrainTestSplitOperator(KaapanaBaseOperator):
    """Parameters as in operators 5.12; memory is fixed. Tags, seed and share come from the form."""

    def __init__(
        self,
        dag: Any,
        name: str = "train-test-split",
        execution_timeout: timedelta = timedelta(minutes=20),
        env_vars: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        env_vars = {} if env_vars is None else env_vars
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/train-test-split:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=1000,
            ram_mem_mb_lmt=3000,
            **kwargs,
        )
