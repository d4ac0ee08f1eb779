"""The run's folder and configuration as a Python operator sees them (operators 4.7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.incluster.programs.common import ProgramError, RunFolder


def folder_of(operator: Any, context: Any) -> RunFolder:
    """Return the folder of the run that the operator works for."""
    run_id = context["dag_run"].run_id
    return RunFolder((Path(operator.airflow_workflow_dir) / run_id).resolve(), operator.batch_name)


def conf_of(context: Any) -> dict[str, Any]:
    """Return the configuration of the run; empty if it has none."""
    conf = context["dag_run"].conf
    return conf if isinstance(conf, dict) else {}


def form_of(context: Any) -> dict[str, Any]:
    """Return the values of the form.

    Raises:
        ProgramError: the run has no ``workflow_form``.
    """
    form = conf_of(context).get("workflow_form")
    if not isinstance(form, dict):
        raise ProgramError("the run's configuration has no workflow_form")
    return form


def operator_in_dir(operator: Any) -> str:
    """Return the folder that the operator reads from.

    Raises:
        ProgramError: it has neither ``input_operator`` nor ``operator_in_dir``.
    """
    folder = getattr(operator, "operator_in_dir", None)
    if not folder:
        raise ProgramError(f"{operator.task_id} has no input: give input_operator or operator_in_dir")
    return str(folder)
