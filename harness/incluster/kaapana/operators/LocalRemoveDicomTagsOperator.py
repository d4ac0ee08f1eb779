# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Erases the tags of project and dataset from DICOM files (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class LocalRemoveDicomTagsOperator(KaapanaPythonBaseOperator):
    """Erases the tags of project and dataset from DICOM files."""

    not_emulated = "it belongs to the way of received files into the archive, which the receiver does by itself here"

    def __init__(
        self,
        dag: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag, name="remove-project-and-dataset-tag", python_callable=do_nothing, ram_mem_mb=10, **kwargs
        )
