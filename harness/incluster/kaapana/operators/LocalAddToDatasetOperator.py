# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Adds series to datasets (operators 6.12)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import conf_of, folder_of, form_of, operator_in_dir
from harness.incluster.programs import local_metadata


class LocalAddToDatasetOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 6.12."""

    def __init__(
        self,
        dag: Any,
        name: str = "add2dataset",
        tags_to_add_from_file: Sequence[str] = ("00120010 ClinicalTrialSponsorName_keyword",),
        from_other_project: bool = False,
        **kwargs: Any,
    ) -> None:
        self.tags_to_add_from_file = list(tags_to_add_from_file)
        self.from_other_project = from_other_project
        super().__init__(
            dag=dag,
            name=name,
            python_callable=self.start,
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Add every series that has a document."""
        projects: list[str] = []
        dataset = ""
        if self.from_other_project:
            form = form_of(kwargs)
            if not form.get("copy_dataset"):  # any text counts as true
                return
            projects = [str(name) for name in form.get("projects") or []]
            dataset = str((conf_of(kwargs).get("data_form") or {}).get("dataset_name") or "")
        local_metadata.add_to_datasets(
            folder_of(self, kwargs),
            operator_in_dir(self),
            file_fields=self.tags_to_add_from_file,
            projects=projects,
            dataset=dataset,
        )
