# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Copies DICOM files without identifying tags (operators 6.14)."""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import folder_of, operator_in_dir
from harness.incluster.programs import local_dicom


class LocalDcmAnonymizerOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 6.14; the name is fixed, ``bulk`` and ``overwrite`` have no effect."""

    def __init__(
        self,
        dag: Any,
        bulk: bool = False,
        overwrite: bool = True,
        single_slice: bool = False,
        **kwargs: Any,
    ) -> None:
        self.bulk = bulk
        self.overwrite = overwrite
        self.single_slice = single_slice
        super().__init__(
            dag=dag,
            name="dcm-anonymizer",
            python_callable=self.start,
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Copy and erase."""
        local_dicom.anonymise(
            folder_of(self, kwargs), operator_in_dir(self), self.operator_out_dir, single_slice=self.single_slice
        )
