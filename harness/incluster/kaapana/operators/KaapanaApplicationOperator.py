# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Installs a chart and waits until a user removes it (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class KaapanaApplicationOperator(KaapanaPythonBaseOperator):
    """Installs a chart and waits until a user removes it."""

    not_emulated = (
        "launching applications of the platform from a DAG is not emulated: run the application by hand, or give the "
        "DAG a variant without this step"
    )

    def __init__(
        self,
        dag: Any,
        chart_name: str,
        version: str,
        name: str = "helm-chart",
        data_dir: str | None = None,
        sets: dict[str, Any] | None = None,
        release_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            name=name,
            execution_timeout=timedelta(hours=12),
            python_callable=do_nothing,
            **kwargs,
        )
        self.chart_name, self.version, self.release_name = chart_name, version, release_name
        self.data_dir = data_dir or os.getenv("DATADIR")
        self.sets = sets or {}
