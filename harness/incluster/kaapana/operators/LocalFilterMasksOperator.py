# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Keeps or drops masks by their labels (operators 5.5)."""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import folder_of, form_of, operator_in_dir
from harness.incluster.programs import local_masks


class LocalFilterMasksOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 5.5; the form's value is ``Keep: a,b`` or ``Ignore: a,b``."""

    def __init__(
        self,
        dag: Any,
        name: str = "filter-seg-label-masks",
        label_filter_key: str = "label_filter",
        **kwargs: Any,
    ) -> None:
        self.label_filter_key = label_filter_key
        super().__init__(
            dag=dag,
            name=name,
            python_callable=self.start,
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Copy the masks that the filter keeps."""
        value = form_of(kwargs).get(self.label_filter_key)
        local_masks.filter_masks(folder_of(self, kwargs), operator_in_dir(self), self.operator_out_dir, value)
