# mypy: disable-error-code="import-not-found"
"""Helpers for DAG files and operators (runtime 4.3)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from kaapana.blueprints.json_schema_templates import schema_dataset_form

from harness.workflow import naming

__all__ = [
    "cure_invalid_name",
    "generate_run_id",
    "get_operator_properties",
    "get_release_name",
    "parse_ui_dict",
]


def generate_run_id(dag_id: str) -> str:
    """A new run id: ``<dag_id>-<YYMMDDHHMMSSffffff>``."""
    return naming.run_id(dag_id)


def cure_invalid_name(name: str, regex: str, max_length: int | None = None) -> str:
    """Make a name fit a regular expression, keeping the last ``max_length`` characters."""
    return naming.cure_invalid_name(name, regex, max_length)


def get_release_name(context: Any) -> str:
    """The Helm release of an application that this run starts."""
    return naming.release_name(context["run_id"])


def get_operator_properties(airflow_workflow_dir: str, *args: Any, **kwargs: Any) -> tuple[str, str, Any, list[Any]]:
    """``(run_id, folder of the run, dag_run, downstream tasks)`` of the task that runs.

    The Airflow context is given as the keyword ``context`` or unpacked into keywords.

    Raises:
        ValueError: it was given as a positional argument.
    """
    if args:
        raise ValueError(
            "give the context as the keyword 'context' or unpacked into keywords, not as a positional argument"
        )
    context = kwargs.get("context", kwargs)
    run_id = context["run_id"]
    task = context.get("task")
    downstream = list(task.get_flat_relatives(upstream=False)) if task is not None else []
    return run_id, str(Path(airflow_workflow_dir) / run_id), context["dag_run"], downstream


def parse_ui_dict(dag_dict: dict[str, Any]) -> dict[str, Any]:
    """Complete the ``ui_forms`` of a DAG the way the user interface gets them (runtime 9.2).

    ====================================  ==========================================
    ``ui_forms`` missing or ``None``      left alone: no dataset selection
    ``data_form`` present but empty       removed: no dataset selection
    no ``data_form``, visible in the UI   the standard one (dataset and limit)
    ``data_form`` with content            left alone
    ====================================  ==========================================
    """
    forms = dag_dict.get("ui_forms")
    if forms is None:
        return dag_dict
    forms = copy.deepcopy(forms)
    if "data_form" in forms:
        if not forms["data_form"]:
            del forms["data_form"]
    elif dag_dict.get("ui_visible") is True:
        forms.update(schema_dataset_form())
    return {**dag_dict, "ui_forms": forms}
