# mypy: disable-error-code="import-not-found"
"""Act on a failed task as Kaapana does: delete its pod, ask kube-helm, notify (runtime 7.3, 7.4)."""

from __future__ import annotations

import json
import logging
import os
from typing import Any, Final
from urllib.parse import quote

import urllib3

from harness.incluster.airflow import profile
from harness.wire import names

_LOG: Final = logging.getLogger(__name__)
_SECONDS: Final = 3.0


def _request(method: str, url: str, body: Any = None) -> tuple[int, Any]:
    http = urllib3.PoolManager(retries=False, timeout=_SECONDS)
    data = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    answer = http.request(method, url, body=data, headers=headers)
    try:
        return answer.status, json.loads(answer.data) if answer.data else None
    except ValueError:
        return answer.status, None


def end_application(release: str) -> None:
    """Uninstall the application of this run, should there be one.

    A kube-helm that does not answer makes the platform's callback fail without a trace in the task; here it is only
    logged, so that it does not hide the failure of the task.
    """
    base = names.url(names.KUBE_HELM)
    query = f"release_name={quote(release)}"
    try:
        status, _ = _request("GET", f"{base}/view-chart-status?{query}")
        if status in (404, 500):
            return
        # the platform sends the name as a query parameter too (runtime 7.3)
        _request("POST", f"{base}/helm-delete-chart?{query}")
    except urllib3.exceptions.HTTPError as error:
        _LOG.info("kube-helm was not asked about the release %s: %s", release, error)


class _RefusedError(Exception):
    """A service answered with an error."""


def _answer(method: str, url: str, body: Any = None, *, accept: int = 200) -> tuple[int, Any]:
    """Return status and document of an answer; errors raise, except one accepted status."""
    status, document = _request(method, url, body)
    if status >= 400 and status != accept:
        raise _RefusedError(f"{method} {url} answered {status}")
    return status, document


def notify_failure(context: Any) -> None:
    """Send the notification "Workflow failed" to the user who started the workflow, or to the project (runtime 7.4)."""
    conf = context["dag_run"].conf or {}
    ti = context["ti"]
    aii = os.environ.get("AII_URL") or names.url(names.AII)
    base = os.environ.get("NOTIFICATION_URL") or names.url(names.NOTIFICATION)
    notification = {
        "topic": ti.run_id,
        "title": "Workflow failed",
        "description": f"Workflow <b>{ti.run_id}</b> failed.",
        "icon": "mdi-information",
        "link": f"/flow/dags/{ti.dag_id}/grid?dag_run_id={ti.run_id}&task_id={ti.task_id}&tab=logs",
    }
    try:
        user = ""
        if username := (conf.get("workflow_form") or {}).get("username"):
            user = str(_answer("GET", f"{aii}/users/username/{quote(str(username))}")[1]["id"])
        # asked even if the project is known: without an admin project there is no notification
        admin = _answer("GET", f"{names.url(names.AII)}/projects/admin")[1]["id"]
        project = (conf.get("project_form") or {}).get("id") or admin
        if not user:
            _answer("POST", f"{base}/v1/{project}", notification)
            return
        status, _ = _answer("POST", f"{base}/v1/{project}/{user}", notification, accept=404)
        if status == 404:  # the user is not in the project
            _answer("POST", f"{base}/v1/", {**notification, "receivers": [user]})
    except (urllib3.exceptions.HTTPError, _RefusedError, KeyError, TypeError) as error:
        _LOG.warning("the failure of the workflow was not notified: %r", error)


def handle_final_failure(context: Any) -> None:
    """Run the part of the failure callback that all of Kaapana's operators share."""
    default_args = context["dag"].default_args
    if default_args.get("send_email_on_workflow_failure"):
        _LOG.warning("send_email_on_workflow_failure: the harness sends no e-mail")
    if default_args.get("send_notification_on_workflow_failure"):
        release = profile.from_environment()
        if release.callbacks.notifications:
            notify_failure(context)
        else:
            _LOG.warning("send_notification_on_workflow_failure: %s has no notification service", release.name)
