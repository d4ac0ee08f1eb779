# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Stores DICOM files in the archive without the receiver (operators 6.18)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import folder_of, operator_in_dir
from harness.incluster.programs import local_dicom


class LocalDicomSendOperator(KaapanaPythonBaseOperator):
    """Name, task id and time-out are fixed. No metadata, thumbnail or dataset comes of it."""

    def __init__(
        self,
        dag: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            name="local-dcm-send",
            python_callable=self.start,
            task_id="local-dcm-send",
            execution_timeout=timedelta(minutes=60),
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Store the files of every element."""
        local_dicom.store(folder_of(self, kwargs), operator_in_dir(self))
