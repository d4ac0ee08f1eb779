# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Deletes DAGs that have no file any more (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class LocalServiceSyncDagsDbOperator(KaapanaPythonBaseOperator):
    """Deletes DAGs that have no file any more."""

    not_emulated = "DAGs without a file are removed automatically here"

    def __init__(
        self,
        dag: Any,
        expired_period: timedelta = timedelta(days=14),
        **kwargs: Any,
    ) -> None:
        super().__init__(dag=dag, name="remove-deleted-dags-from-db", python_callable=do_nothing, **kwargs)
        self.expired_period = expired_period
