# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Deletes series and studies from the archive (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class DeleteFromPacsOperator(KaapanaBaseOperator):
    """Deletes series and studies from the archive."""

    not_emulated = "deleting series and studies from the archive is not emulated"

    def __init__(
        self,
        dag: Any,
        name: str = "delete-from-pacs",
        delete_complete_study: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            image=f"{DEFAULT_REGISTRY}/delete-from-pacs:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            name=name,
            env_vars={},
            execution_timeout=timedelta(minutes=60),
            ram_mem_mb=1000,
            max_active_tis_per_dag=10,
            **kwargs,
        )
        self.delete_complete_study = delete_complete_study
