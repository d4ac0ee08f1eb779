# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Removes the run's folder, in a pod despite its name (operators 4.6, runtime 7.7)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from kaapana.operators.KaapanaBaseOperator import DEFAULT_REGISTRY, KAAPANA_BUILD_VERSION, KaapanaBaseOperator

from harness.incluster.airflow import podtask
from harness.wire import names


class LocalWorkflowCleanerOperator(KaapanaBaseOperator):
    """``clean_workflow_dir=False`` keeps the folder; name and ``env_vars`` are fixed."""

    def __init__(self, dag: Any, clean_workflow_dir: bool = True, **kwargs: Any) -> None:
        super().__init__(
            dag=dag,
            name="workflow-cleaner",
            image=f"{DEFAULT_REGISTRY}/workflow-cleaner:{KAAPANA_BUILD_VERSION}",
            image_pull_secrets=[names.SECRET_REGISTRY],
            env_vars={"CLEAN_WORKFLOW_DIR": str(clean_workflow_dir)},
            **kwargs,
        )
        self.clean_workflow_dir = clean_workflow_dir

    def execute(self, context: Any) -> None:
        """Run the pod, then remove the run's ConfigMap and what Airflow itself keeps of the run."""
        super().execute(context)
        podtask.delete_configmap(context)
        folder = Path(self.airflow_workflow_dir) / context["run_id"]
        if self.clean_workflow_dir and folder.is_dir():
            shutil.rmtree(folder)
