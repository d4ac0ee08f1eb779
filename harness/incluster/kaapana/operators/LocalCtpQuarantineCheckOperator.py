# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Takes quarantined files of the receiver in again (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class LocalCtpQuarantineCheckOperator(KaapanaPythonBaseOperator):
    """Takes quarantined files of the receiver in again."""

    not_emulated = "the receiver has no quarantine here"

    def __init__(
        self,
        dag: Any,
        trigger_dag_id: str = "service-process-incoming-dcm",
        max_number_of_batch_files: int = 2000,
        target_dir: str = "get-input-data",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            name="ctp-quarantine-check",
            python_callable=do_nothing,
            execution_timeout=timedelta(minutes=180),
            **kwargs,
        )
        self.trigger_dag_id, self.target_dir = trigger_dag_id, target_dir
        self.max_number_of_batch_files = max_number_of_batch_files
