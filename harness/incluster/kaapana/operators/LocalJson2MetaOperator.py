# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Writes JSON documents into the metadata index (operators 6.9)."""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import folder_of, form_of, operator_in_dir
from harness.incluster.programs import local_metadata


class LocalJson2MetaOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 6.9; name and memory are fixed.

    Only ``json_operator``, ``jsonl_operator``, ``replace`` and ``from_other_project`` have an effect.
    """

    def __init__(
        self,
        dag: Any,
        dicom_operator: Any = None,
        json_operator: Any = None,
        jsonl_operator: Any = None,
        set_dag_id: bool = False,
        replace: bool = False,
        avalability_check_delay: int = 10,
        avalability_check_max_tries: int = 15,
        check_in_pacs: bool = True,
        from_other_project: bool = False,
        **kwargs: Any,
    ) -> None:
        documents = jsonl_operator if jsonl_operator is not None else json_operator
        self.documents_dir = "" if documents is None else str(documents.operator_out_dir)
        self.reads_lines = jsonl_operator is not None
        self.dicom_operator = dicom_operator
        self.set_dag_id = set_dag_id
        self.replace = replace
        self.avalability_check_delay = avalability_check_delay
        self.avalability_check_max_tries = avalability_check_max_tries
        self.check_in_pacs = check_in_pacs
        self.from_other_project = from_other_project
        super().__init__(
            dag=dag,
            name="json2meta",
            python_callable=self.start,
            ram_mem_mb=10,
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Write the documents of every element."""
        projects = None
        if self.from_other_project:
            projects = [str(name) for name in form_of(kwargs).get("projects") or []]
        local_metadata.push(
            folder_of(self, kwargs),
            self.documents_dir or operator_in_dir(self),
            jsonl=self.reads_lines,
            replace=self.replace,
            projects=projects,
        )
