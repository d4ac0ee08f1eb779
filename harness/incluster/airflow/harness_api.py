# mypy: disable-error-code="import-not-found,misc,untyped-decorator"
"""Endpoints below ``/flow/harness`` for the host: refresh, follow a run, read its logs. Not on the platform.

They need the environment's token, except the DAG folder, which has a separate token for pods of Python operators.
Of the environment's token the web server knows the digest only: DAG files run here, and it opens more than this.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import tarfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models import DagRun, TaskInstance, XCom
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.session import create_session
from airflow.utils.state import State
from flask import Blueprint, Response, current_app, request

from harness.incluster.airflow import filelist, start_failures
from harness.incluster.airflow.responses import json_response
from harness.wire import airflow_routes, names
from harness.wire.outcome import XCOM_KEY, read_published
from harness.wire.polling import Polling
from harness.wire.records import RunEnd, RunRecord, TaskChange, TaskRecord

blueprint: Final = Blueprint("harness", __name__)
probes: Final = Blueprint("probes", __name__)

_EVENT_INTERVAL_S: Final = 0.1


def iso(moment: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC."""
    return None if moment is None else moment.astimezone(timezone.utc).isoformat()


@blueprint.before_request
def authenticate() -> Response | None:
    """Refuse (401) requests without the token for the path; a web server without tokens refuses all."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token = given.strip().encode("utf-8", "replace") if scheme.lower() == "bearer" else b""
    digest = hashlib.sha256(token).hexdigest().encode()
    if hmac.compare_digest(digest, os.environ.get(names.TOKEN_DIGEST_VARIABLE, "").encode()):
        return None
    dags_token = os.environ.get(names.DAGS_TOKEN_VARIABLE, "").encode()
    is_for_dags = request.endpoint == f"{blueprint.name}.{dags_archive.__name__}"
    if is_for_dags and dags_token and hmac.compare_digest(token, dags_token):
        return None
    return json_response({"error": f"{request.path} is the harness's own: it needs the environment's token"}, 401)


@probes.get(airflow_routes.HEALTH)
def health() -> Response:
    """Return 200 if the database answers and the scheduler's heartbeat is fresh, otherwise 503 with the reason."""
    try:
        job = SchedulerJobRunner.most_recent_job()
        alive = job is not None and job.is_alive()
    except Exception as error:  # report any error of the driver to the caller
        return json_response({"healthy": False, "reason": f"the database does not answer: {error}"}, 503)
    if not alive:
        last = iso(job.latest_heartbeat) if job is not None else "none"
        return json_response({"healthy": False, "reason": f"no heartbeat of the scheduler, the last one: {last}"}, 503)
    return json_response({"healthy": True, "reason": ""})


@blueprint.post(airflow_routes.REFRESH)
def refresh() -> Response:
    """Parse the DAG folder now."""
    return json_response(current_app.config["DAG_FOLDER"].refresh())


@blueprint.get(airflow_routes.FILES)
def files() -> Response:
    """Return the digests of all files in the installers' folders (see ``filelist``)."""
    folders = {name: Path(os.environ[f"AIRFLOW__CORE__{name.upper()}_FOLDER"]) for name in ("dags", "plugins")}
    return json_response(filelist.listing(folders))


@blueprint.get(airflow_routes.DAGS_ARCHIVE)
def dags_archive() -> Response:
    """Return the DAG folder, for Python operators that run in a pod of a project (see ``worker``)."""
    folder = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(folder, arcname=".", filter=lambda entry: None if "__pycache__" in entry.name else entry)
    return Response(data.getvalue(), mimetype="application/x-tar")


@blueprint.get(airflow_routes.run("<dag_id>", "<run_id>"))
def run_details(dag_id: str, run_id: str) -> Response:
    """Return the run with its tasks, in the order of the DAG."""
    with create_session() as session:
        run = session.query(DagRun).filter_by(dag_id=dag_id, run_id=run_id).one_or_none()
        if run is None:
            return json_response({"error": f"no run {run_id!r} of {dag_id!r}"}, 404)
        structure = _structure(dag_id)
        # a row's value is decoded when it is loaded
        pushed = session.query(XCom).filter_by(dag_id=dag_id, run_id=run_id, key=XCOM_KEY)
        outcomes = {entry.task_id: read_published(entry.value) for entry in pushed}
        tasks = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id).all()
        order = {task_id: position for position, task_id in enumerate(structure)}
        tasks.sort(key=lambda task: (order.get(task.task_id, len(order)), task.task_id))
        records = [
            TaskRecord(
                task_id=task.task_id,
                operator=task.operator or "",
                state=task.state,
                try_number=task.try_number or 0,
                max_tries=task.max_tries or 0,
                queued_at=iso(task.queued_dttm),
                start=iso(task.start_date),
                end=iso(task.end_date),
                outcome=outcomes.get(task.task_id),
                **structure.get(task.task_id, {}),
            )
            for task in tasks
        ]
        record = RunRecord(dag_id, run_id, run.state, run.conf, iso(run.start_date), iso(run.end_date), tuple(records))
        return json_response(record.as_json())


@blueprint.get(airflow_routes.run_events("<dag_id>", "<run_id>"))
def run_events(dag_id: str, run_id: str) -> Response:
    """Return one JSON line per change of a task's state, at the end ``{"run": state}``."""
    with create_session() as session:
        if session.query(DagRun.id).filter_by(dag_id=dag_id, run_id=run_id).one_or_none() is None:
            return json_response({"error": f"no run {run_id!r} of {dag_id!r}"}, 404)
    return Response(_events(dag_id, run_id), mimetype="application/x-ndjson", headers={"X-Accel-Buffering": "no"})


@blueprint.get(airflow_routes.log("<dag_id>", "<run_id>", "<task_id>", "<int:attempt>"))
def logs(dag_id: str, run_id: str, task_id: str, attempt: int) -> Response:
    """Return the task's log file; 404 until it exists."""
    path = start_failures.log_path(dag_id, run_id, task_id, attempt)
    if path is None or not path.is_file():
        return json_response({"error": f"no log of attempt {attempt} of {task_id!r} in {run_id!r}"}, 404)
    return Response(path.read_bytes(), mimetype="text/plain; charset=utf-8")


def _structure(dag_id: str) -> dict[str, dict[str, Any]]:
    """Trigger rule and upstream tasks by task id, in topological order; empty when the DAG is gone."""
    row = SerializedDagModel.get(dag_id)
    if row is None:
        return {}
    return {
        task.task_id: {"trigger_rule": str(task.trigger_rule), "upstream": sorted(task.upstream_task_ids)}
        for task in row.dag.topological_sort()
    }


def _events(dag_id: str, run_id: str) -> Iterator[str]:
    seen: dict[str, tuple[str | None, int]] = {}
    polling = Polling(pause_s=_EVENT_INTERVAL_S)
    while True:
        with create_session() as session:
            # first the run: when it is in a final state, what its tasks say afterwards is final too
            state = session.query(DagRun.state).filter_by(dag_id=dag_id, run_id=run_id).scalar()
            rows = (
                session.query(
                    TaskInstance.task_id,
                    TaskInstance.state,
                    TaskInstance.try_number,
                    TaskInstance.queued_dttm,
                    TaskInstance.start_date,
                    TaskInstance.end_date,
                )
                .filter_by(dag_id=dag_id, run_id=run_id)
                .all()
            )
        changes = []
        for task_id, task_state, attempt, queued, started, ended in rows:
            if task_state is None or seen.get(task_id) == (task_state, attempt):
                continue
            seen[task_id] = (task_state, attempt)
            moment = {"queued": queued, "running": started}.get(
                task_state, ended if task_state in State.finished else None
            )
            moment = moment or datetime.now(timezone.utc)
            changes.append((moment, TaskChange(task_id, task_state, attempt or 0, iso(moment) or "")))
        for _, change in sorted(changes, key=lambda entry: entry[0]):
            yield json.dumps(change.as_json()) + "\n"
        if state is None or state in State.finished_dr_states:
            yield json.dumps(RunEnd(state).as_json()) + "\n"
            return
        polling.again()
