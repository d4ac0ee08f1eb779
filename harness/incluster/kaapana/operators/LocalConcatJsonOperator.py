# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Puts the JSON documents of all elements into one list (operators 6.10)."""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import folder_of, operator_in_dir
from harness.incluster.programs import local_metadata


class LocalConcatJsonOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 6.10."""

    def __init__(
        self,
        dag: Any,
        name: str = "concatenated",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            name=name,
            python_callable=self.start,
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Write the list at the level of the run."""
        local_metadata.concatenate(folder_of(self, kwargs), operator_in_dir(self), self.operator_out_dir, self.name)
