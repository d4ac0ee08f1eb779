# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Adds and removes tags of series in the metadata index (operators 6.11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.runfolder import conf_of, folder_of, operator_in_dir
from harness.incluster.programs import local_metadata


class LocalTaggingOperator(KaapanaPythonBaseOperator):
    """Parameters as in operators 6.11; ``tags`` and ``action`` come from the form."""

    def __init__(
        self,
        dag: Any,
        tag_field: str = "00000000 Tags_keyword",
        name: str = "tagging",
        add_tags_from_file: bool = False,
        tags_to_add_from_file: Sequence[str] = ("00120020 ClinicalTrialProtocolID_keyword",),
        opensearch_index: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.tags_to_add_from_file = list(tags_to_add_from_file)
        self.tag_field = tag_field
        self.add_tags_from_file = add_tags_from_file
        self.opensearch_index = opensearch_index
        super().__init__(
            dag=dag,
            name=name,
            python_callable=self.start,
            **kwargs,
        )

    def start(self, ds: Any = None, **kwargs: Any) -> None:
        """Change the tags of every series that has a document."""
        conf = conf_of(kwargs)
        form = conf.get("workflow_form") or {}
        project = conf.get("project_form") or {}
        local_metadata.tag(
            folder_of(self, kwargs),
            operator_in_dir(self),
            index=self.opensearch_index or project.get("opensearch_index") or local_metadata.DEFAULT_INDEX,
            field=self.tag_field,
            action=str(form.get("action") or "add_from_file"),
            tags=str(form.get("tags") or ""),
            from_file=self.add_tags_from_file,
            file_fields=self.tags_to_add_from_file,
        )
