# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Removes the results of a validation from bucket and index (operators 7).

Imports with its signature; it does not run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class ClearValidationResultOperator(KaapanaBaseOperator):
    """Removes the results of a validation from bucket and index."""

    not_emulated = "results of the DICOM validator are not emulated, so there is nothing to remove"

    def __init__(
        self,
        dag: Any,
        name: str = "clear-validation-results",
        static_results_dir: str = "staticwebsiteresults",
        validation_tag: str = "00111001",
        opensearch_index: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            image=f"{DEFAULT_REGISTRY}/clear-validation-results:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            name=name,
            env_vars={},
            execution_timeout=timedelta(minutes=60),
            ram_mem_mb=1000,
            max_active_tis_per_dag=10,
            **kwargs,
        )
        self.static_results_dir, self.validation_tag = static_results_dir, validation_tag
        self.opensearch_index = opensearch_index
