# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Deletes documents of series from the index of the project (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class DeleteFromMetaOperator(KaapanaBaseOperator):
    """Deletes documents of series from the index of the project."""

    not_emulated = "deleting documents of series from the index of the project is not emulated"

    def __init__(
        self,
        dag: Any,
        name: str = "delete-from-meta",
        delete_all_documents: bool = False,
        delete_complete_study: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            image=f"{DEFAULT_REGISTRY}/delete-from-meta:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            name=name,
            env_vars={},
            execution_timeout=timedelta(minutes=60),
            ram_mem_mb=1000,
            max_active_tis_per_dag=10,
            **kwargs,
        )
        self.delete_all_documents = delete_all_documents
        self.delete_complete_study = delete_complete_study
