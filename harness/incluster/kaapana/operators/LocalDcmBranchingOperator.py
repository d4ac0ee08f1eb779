# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Chooses a branch by attributes of the DICOM files (operators 6.16)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kaapana.operators.KaapanaBranchPythonBaseOperator import KaapanaBranchPythonBaseOperator

from harness.incluster.airflow.runfolder import folder_of, operator_in_dir
from harness.incluster.programs import local_dicom


class LocalDcmBranchingOperator(KaapanaBranchPythonBaseOperator):
    """Parameters as in operators 6.16; memory is fixed.

    ``condition`` is called with each dataset without its pixels. One that fulfils it is enough for the true branch. In
    release 0.6.0 a branch operator does not see the data of a project and always takes the false branch.
    """

    def __init__(
        self,
        dag: Any,
        condition: Callable[[Any], bool],
        branch_true_operator: str,
        branch_false_operator: str,
        name: str = "branch-on-condition",
        **kwargs: Any,
    ) -> None:
        self.condition = condition
        self.branch_true_operator = branch_true_operator
        self.branch_false_operator = branch_false_operator
        super().__init__(
            dag=dag,
            name=name,
            python_callable=self.start,
            ram_mem_mb=10,
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> str:
        """Return the task id of the chosen branch."""
        found = local_dicom.copy_matching(
            folder_of(self, kwargs), operator_in_dir(self), self.operator_out_dir, self.condition
        )
        return self.branch_true_operator if found else self.branch_false_operator
