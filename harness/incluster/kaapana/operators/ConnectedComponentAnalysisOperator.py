# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Counts the connected components of masks (operators 5.8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class ConnectedComponentAnalysisOperator(KaapanaBaseOperator):
    """Parameters as in operators 5.8; name and memory are fixed.

    ``json_operator`` delivers the document that the counts are added to. ``connectivity`` is always 26, whatever is
    given.
    """

    def __init__(
        self,
        dag: Any,
        json_operator: Any = None,
        connectivity: int = 26,
        env_vars: dict[str, Any] | None = None,
        execution_timeout: timedelta = timedelta(days=5),
        **kwargs: Any,
    ) -> None:
        assert json_operator is not None, "json_operator is missing"
        env_vars = {} if env_vars is None else env_vars
        env_vars.update(
            {
                "JSON_INFO_DIR": json_operator.operator_out_dir,
                "CONNECTIVITY": str(connectivity),
            }
        )
        super().__init__(
            dag=dag,
            name="cca",
            image=f"{DEFAULT_REGISTRY}/cca:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars=env_vars,
            execution_timeout=execution_timeout,
            ram_mem_mb=1000,
            ram_mem_mb_lmt=5000,
            **kwargs,
        )
