# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Removes the folders of old runs (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class LocalCleanUpExpiredWorkflowDataOperator(KaapanaPythonBaseOperator):
    """Removes the folders of old runs."""

    not_emulated = "an environment does not live long enough for runs to expire"

    def __init__(
        self,
        dag: Any,
        expired_period: timedelta = timedelta(days=60),
        **kwargs: Any,
    ) -> None:
        super().__init__(dag=dag, name="clean-up", python_callable=do_nothing, **kwargs)
        self.expired_period = expired_period
