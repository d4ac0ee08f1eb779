# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Deletes documents of series from the default index (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from typing import Any

from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow.placeholder import do_nothing


class LocalDeleteFromMetaOperator(KaapanaPythonBaseOperator):
    """Deletes documents of series from the default index."""

    not_emulated = "deleting from the index of the whole platform is not emulated"

    def __init__(
        self,
        dag: Any,
        delete_all_documents: bool = False,
        delete_complete_study: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(dag=dag, name="delete-meta", python_callable=do_nothing, **kwargs)
        self.delete_all_documents, self.delete_complete_study = delete_all_documents, delete_complete_study
