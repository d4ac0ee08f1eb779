# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Executes a notebook and keeps it as a report (operators 6.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.wire import names


class JupyterlabReportingOperator(KaapanaBaseOperator):
    """Parameters as in operators 6.4; ``env_vars`` and memory are fixed.

    ``notebook_dir`` is relative to the run's folder, ``output_format`` a comma list of nbconvert's formats.
    """

    def __init__(
        self,
        dag: Any,
        notebook_filename: str,
        notebook_dir: str,
        output_format: str = "html",
        name: str = "jupyterlab-reporting-operator",
        execution_timeout: timedelta = timedelta(minutes=20),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dag=dag,
            name=name,
            image=f"{DEFAULT_REGISTRY}/jupyterlab-reporting:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars={
                "NOTEBOOK_FILENAME": notebook_filename,
                "NOTEBOOK_DIR": notebook_dir,
                "OUTPUT_FORMAT": output_format,
            },
            execution_timeout=execution_timeout,
            ram_mem_mb=1000,
            ram_mem_mb_lmt=3000,
            **kwargs,
        )
