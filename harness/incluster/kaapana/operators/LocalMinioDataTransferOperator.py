# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Copies chosen objects between the buckets of projects (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class LocalMinioDataTransferOperator(KaapanaPythonBaseOperator):
    """Copies chosen objects between the buckets of projects."""

    not_emulated = "a run has one project here, with one bucket"

    def __init__(
        self,
        dag: Any,
        name: str = "minio-data-transfer",
        parallel_copy: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag, name=name, python_callable=do_nothing, execution_timeout=timedelta(minutes=360), **kwargs
        )
        self.parallel_copy = parallel_copy
