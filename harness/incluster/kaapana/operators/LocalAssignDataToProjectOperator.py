# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Makes series visible in projects (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class LocalAssignDataToProjectOperator(KaapanaPythonBaseOperator):
    """Makes series visible in projects."""

    not_emulated = "what is received is assigned to its project by the receiver here, not by a DAG of the platform"

    def __init__(
        self,
        dag: Any,
        from_other_project: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(dag=dag, name="assign-data-to-project", python_callable=do_nothing, ram_mem_mb=10, **kwargs)
        self.from_other_project = from_other_project
