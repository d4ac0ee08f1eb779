"""A notification to the user who started the workflow (operators 6.20). The program of NotifyOperator."""

from __future__ import annotations

import os
from urllib.parse import quote

from harness.incluster.programs.common import ProgramError, RunFolder, notice, require, say, section
from harness.incluster.programs.platform_client import NotFoundError, PlatformClient, base_url
from harness.wire import names


def main() -> None:
    """Look up the user and post the notification; an unknown project or user gets it by the list of receivers."""
    run = RunFolder.from_environment()
    conf = run.conf()
    username = section(conf, "workflow_form").get("username")
    project = section(conf, "project_form").get("id")
    if not username or not project:
        raise ProgramError("the configuration needs workflow_form.username and project_form.id")
    if not run.inside(run.batch).is_dir():
        raise ProgramError(f"the run has no folder {run.batch}")
    dag_id, run_id = os.environ.get("DAG_ID", ""), require("RUN_ID")
    body = {
        "topic": os.environ.get("TOPIC") or dag_id,
        "title": require("TITLE"),
        "description": require("DESCRIPTION"),
        "icon": os.environ.get("ICON") or "mdi-information",
        "link": os.environ.get("LINK") or f"/flow/dags/{dag_id}/grid?dag_run_id={run_id}",
    }
    platform = PlatformClient()
    url = f"{base_url('AII_URL', names.AII)}/users/username/{quote(str(username), safe='')}"
    user = platform.get_json(f"look up the user {username}", url)
    if not isinstance(user, dict) or not user.get("id"):
        raise ProgramError(f"the user {username} has no id")
    # services 12.2: the platform's container gives the project's name, the service takes its id only
    notice("fails-on-platform", "this release is likely to fail here: it names the project in a way that is refused")
    target = base_url("NOTIFICATION_URL", names.NOTIFICATION)
    what = f"notify {username}"
    try:
        platform.send_json(what, "POST", f"{target}/v1/{quote(str(project), safe='')}/{user['id']}", body)
    except NotFoundError:
        platform.send_json(what, "POST", f"{target}/v1/", {**body, "receivers": [user["id"]]})
    say(f"notified {username}: {body['title']}")
