# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Removes the results of a validation from bucket and index (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class LocalClearValidationResultOperator(KaapanaPythonBaseOperator):
    """Removes the results of a validation from bucket and index."""

    not_emulated = "results of the DICOM validator are not emulated, so there is nothing to remove"

    def __init__(
        self,
        dag: Any,
        name: str = "clear-validation-results",
        validation_tag: str = "00111001",
        result_bucket: str = "staticwebsiteresults",
        opensearch_index: str | None = None,
        apply_project_context: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(dag=dag, name=name, python_callable=do_nothing, **kwargs)
        self.validation_tag, self.result_bucket = validation_tag, result_bucket
        self.opensearch_index, self.apply_project_context = opensearch_index, apply_project_context
