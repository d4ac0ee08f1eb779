# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Starts DAGs by rules on DICOM tags (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class LocalAutoTriggerOperator(KaapanaPythonBaseOperator):
    """Starts DAGs by rules on DICOM tags."""

    not_emulated = "rules that start DAGs when data arrive are not emulated: start the DAG with run()"

    def __init__(
        self,
        dag: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(dag=dag, name="auto-dag-trigger", python_callable=do_nothing, **kwargs)
