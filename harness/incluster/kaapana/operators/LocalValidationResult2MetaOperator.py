# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Writes the results of a validation into the index (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class LocalValidationResult2MetaOperator(KaapanaPythonBaseOperator):
    """Writes the results of a validation into the index."""

    not_emulated = "the reports of the DICOM validator that it reads are not emulated"

    def __init__(
        self,
        dag: Any,
        validator_output_dir: str,
        validation_tag: str = "00111001",
        name: str = "results-to-open-search",
        opensearch_index: str | None = None,
        apply_project_context: bool = False,
        index_to_default_project: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(dag=dag, name=name, python_callable=do_nothing, **kwargs)
        self.validator_output_dir, self.validation_tag = validator_output_dir, validation_tag
        self.opensearch_index, self.apply_project_context = opensearch_index, apply_project_context
        self.index_to_default_project = index_to_default_project
