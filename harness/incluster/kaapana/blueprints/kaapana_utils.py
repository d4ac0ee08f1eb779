# mypy: disable-error-code="import-not-found"
"""Helpers for DAG files and operators (runtime 4.3)."""

from __future__ import annotations

import copy
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kaapana.blueprints.json_schema_templates import schema_dataset_form

from harness.wire import naming

__all__ = [
    "clean_previous_dag_run",
    "cure_invalid_name",
    "generate_minio_credentials",
    "generate_run_id",
    "get_operator_properties",
    "get_release_name",
    "parse_ui_dict",
    "requests_retry_session",
    "trying_request_action",
]

_RETRIES = 16
_TRIES = 10
_PAUSE_S = 1.0
_STATUS = (404, 429, 500, 502, 503, 504)


def generate_run_id(dag_id: str) -> str:
    """Return a new run id: ``<dag_id>-<YYMMDDHHMMSSffffff>``."""
    return naming.run_id(dag_id)


def cure_invalid_name(name: str, regex: str, max_length: int | None = None) -> str:
    """Make a name fit a regular expression, keeping the last ``max_length`` characters."""
    return naming.cure_invalid_name(name, regex, max_length)


def get_release_name(context: Any) -> str:
    """Return the Helm release of an application that this run starts."""
    return naming.release_name(context["run_id"])


def get_operator_properties(airflow_workflow_dir: str, *args: Any, **kwargs: Any) -> tuple[str, str, Any, list[Any]]:
    """Return ``(run_id, folder of the run, dag_run, downstream tasks)`` of the current task.

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


def clean_previous_dag_run(airflow_workflow_dir: str, conf: dict[str, Any] | None, run_identifier: str) -> None:
    """Remove the folder of an earlier federated run that the conf names, if any."""
    earlier = ((conf or {}).get("federated_form") or {}).get(run_identifier)
    if not earlier:
        return
    folder = (Path(airflow_workflow_dir) / str(earlier)).resolve()
    if folder.parent == Path(airflow_workflow_dir).resolve() and folder.is_dir():
        shutil.rmtree(folder)


def requests_retry_session(
    retries: int = _RETRIES,
    backoff_factor: float = 1,
    status_forcelist: Iterable[int] = _STATUS,
    session: Any = None,
    **_kwargs: Any,
) -> Any:
    """Return a ``requests`` session that tries again what fails."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    session = session or requests.Session()
    retry = Retry(
        total=retries, backoff_factor=backoff_factor, status_forcelist=list(status_forcelist), allowed_methods=None
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def trying_request_action(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function until it does not raise, ten times at most.

    Raises:
        Exception: the last error.
    """
    for number in range(1, _TRIES + 1):
        try:
            return func(*args, **kwargs)
        except Exception:
            if number == _TRIES:
                raise
            time.sleep(_PAUSE_S)
    raise AssertionError("the loop has no other end")


def generate_minio_credentials(x_auth_token: str) -> tuple[str, str, str]:
    """Return the access key, secret key and session token that MinIO gives for a Keycloak token (runtime 4.3)."""
    from kaapanapy.helper import minio_credentials

    access_key, secret_key, session_token = minio_credentials(x_auth_token)
    return access_key, secret_key, session_token


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
