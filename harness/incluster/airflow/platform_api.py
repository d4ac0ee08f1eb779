# mypy: disable-error-code="import-not-found,misc,untyped-decorator"
"""The platform's own endpoints below ``/flow/kaapana/api`` (runtime 9.1, services 13); no authentication there."""

from __future__ import annotations

import json
from typing import Any, Final

from airflow.api.common.trigger_dag import trigger_dag
from airflow.exceptions import AirflowException, DagNotFound
from airflow.models import DagModel, DagRun, TaskInstance
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.serialized_objects import BaseSerialization
from airflow.utils import timezone
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from flask import Blueprint, Response, request
from kaapana.blueprints.kaapana_utils import parse_ui_dict
from sqlalchemy import func

from harness.incluster.airflow import profile, wakeup
from harness.incluster.airflow.responses import encode_value, json_response
from harness.wire import naming
from harness.wire.names import FIELD_FORMS_PROBLEM

blueprint: Final = Blueprint("kaapana", __name__, url_prefix="/flow/kaapana/api")

_NO_USER: Final = "00000000-0000-0000-0000-000000000000"


@blueprint.post("/trigger/<dag_id>")
def trigger(dag_id: str) -> Response:
    """Start a run; ``{"message": [text, {"dag_id", "run_id"}]}`` or ``{"error": text}``."""
    body = request.get_json(force=True, silent=True) or {}
    if not isinstance(body, dict):
        return json_response({"error": "the request is not a JSON object"}, 400)
    conf = body.get("conf", body)
    conf = dict(conf) if isinstance(conf, dict) else {}
    conf["x_auth_token"] = body.get("x_auth_token") or request.headers.get("X-Auth-Token")
    if profile.from_environment().conf.form_data and "workflow_form" in conf:
        conf.setdefault("form_data", conf["workflow_form"])
    try:
        with create_session() as session:
            model = session.get(DagModel, dag_id)
            if model is None or not model.is_active:
                raise DagNotFound(f"Dag id {dag_id} not found in DagModel")
        run = trigger_dag(dag_id=dag_id, run_id=naming.run_id(dag_id), conf=conf, replace_microseconds=False)
        run_id = run.run_id
    except (AirflowException, ValueError) as error:
        return json_response({"error": str(error)}, int(getattr(error, "status_code", 500)))
    with create_session() as session:
        wakeup.notify(session)
    return json_response({"message": [f"{dag_id} created!", {"dag_id": dag_id, "run_id": run_id}]})


@blueprint.post("/abort/<dag_id>/<run_id>")
def abort(dag_id: str, run_id: str) -> Response:
    """End a run: it and its running tasks fail, tasks that have not begun are skipped.

    When no task has failed by that, the success that started last becomes a failure.
    """
    messages: list[str] = []
    with create_session() as session:
        run = session.query(DagRun).filter_by(dag_id=dag_id, run_id=run_id).one_or_none()
        if run is None:
            return json_response({"error": f"no run {run_id!r} of {dag_id!r}"}, 404)
        now = timezone.utcnow()
        tasks: list[Any] = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id).all()
        ended = (TaskInstanceState.SUCCESS, TaskInstanceState.FAILED)
        for task in tasks:
            before = task.state
            if before == TaskInstanceState.RUNNING:
                # the task's supervisor sees this at its next heartbeat and ends it, which deletes the pod
                task.state, task.end_date = TaskInstanceState.FAILED, now
            elif before not in ended:
                task.state = TaskInstanceState.SKIPPED
                task.start_date, task.end_date = task.start_date or now, now
            if task.state != before:
                messages.append(f"{task.task_id}: {before} -> {task.state}")
        if not any(task.state == TaskInstanceState.FAILED for task in tasks):
            successes = [task for task in tasks if task.state == TaskInstanceState.SUCCESS and task.start_date]
            if successes:
                last = max(successes, key=lambda task: task.start_date)
                last.state = TaskInstanceState.FAILED
                messages.append(f"{last.task_id}: success -> failed")
        run.state, run.end_date = DagRunState.FAILED, now
        messages.append(f"{run_id}: failed")
        wakeup.notify(session)
    return json_response({"message": messages})


@blueprint.post("/get_dagrun_tasks/<dag_id>/<run_id>")
def get_dagrun_tasks(dag_id: str, run_id: str) -> Response:
    """Return ``{task_id: {state, execution_date, duration, start_date}}`` as text."""
    with create_session() as session:
        run = session.query(DagRun).filter_by(dag_id=dag_id, run_id=run_id).one_or_none()
        if run is None:
            return json_response(f"no run {run_id!r} of {dag_id!r}", 400)
        tasks = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id)
        return json_response(
            {
                task.task_id: {
                    "state": str(task.state),
                    "execution_date": str(run.execution_date),
                    "duration": str(task.duration),
                    "start_date": str(task.start_date),
                }
                for task in tasks
            }
        )


@blueprint.post("/getdagruns")
def getdagruns() -> Response:
    """Run that fit ``dag_id``, ``run_id`` and ``state``, at most ``limit``; with ``count`` their number."""
    body = request.get_json(force=True, silent=True) or {}
    with create_session() as session:
        query = session.query(DagRun)
        for field in ("dag_id", "run_id", "state"):
            if body.get(field) is not None:
                query = query.filter(getattr(DagRun, field) == body[field])
        if body.get("count"):
            return json_response(query.count())
        query = query.order_by(DagRun.execution_date.desc())
        if body.get("limit") is not None:
            query = query.limit(int(body["limit"]))
        return json_response(
            [
                {
                    "user": (run.conf or {}).get("user_public_id", _NO_USER),
                    "dag_id": run.dag_id,
                    "run_id": run.run_id,
                    "state": run.state,
                    "execution_time": run.execution_date,
                }
                for run in query
            ]
        )


@blueprint.get("/getdags")
def getdags() -> Response:
    """Return all DAGs: columns of Airflow's table, the ``ui_*`` default arguments, and tags."""
    result: dict[str, Any] = {}
    with create_session() as session:
        models = session.query(DagModel).filter(DagModel.is_active.is_(True))
        for model in models:
            entry: dict[str, Any] = {column.name: getattr(model, column.name) for column in DagModel.__table__.columns}
            entry["tags"] = [tag.name for tag in model.tags]
            serialized = session.query(SerializedDagModel).filter_by(dag_id=model.dag_id).one_or_none()
            if serialized is not None:
                entry.update(_ui_arguments(serialized.data))
            result[model.dag_id] = drop_unusable_forms(entry)
    return json_response(result)


@blueprint.get("/dagids/<dag_id>")
def dagids(dag_id: str) -> Response:
    """Return ``{dag_id, run_ids}``; 400 when the DAG is unknown."""
    with create_session() as session:
        if session.get(DagModel, dag_id) is None:
            return json_response(f"Dag id {dag_id} not found", 400)
        rows = session.query(DagRun.run_id).filter_by(dag_id=dag_id).order_by(DagRun.execution_date)
        return json_response({"dag_id": dag_id, "run_ids": [run_id for (run_id,) in rows]})


@blueprint.get("/dagdetails/<dag_id>/<run_id>")
def dagdetails(dag_id: str, run_id: str) -> Response:
    """Return ``{dag_id, run_id, state, execution_date}``; 400 when the run is unknown."""
    with create_session() as session:
        run = session.query(DagRun).filter_by(dag_id=dag_id, run_id=run_id).one_or_none()
        if run is None:
            return json_response(f"no run {run_id!r} of {dag_id!r}", 400)
        return json_response(
            {"dag_id": dag_id, "run_id": run_id, "state": run.state, "execution_date": str(run.execution_date)}
        )


@blueprint.get("/dags/<dag_id>/dagRuns/state/<state>/count")
def count(dag_id: str, state: str) -> Response:
    """Return ``{number_of_dagruns}``."""
    with create_session() as session:
        number = session.query(func.count(DagRun.id)).filter_by(dag_id=dag_id, state=state).scalar()
        return json_response({"number_of_dagruns": number})


def drop_unusable_forms(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a DAG of the list, without unusable forms, so that the list stays readable."""
    forms = entry.get("ui_forms")
    try:
        if forms is not None and not isinstance(forms, dict):
            raise TypeError(f"they are of the type {type(forms).__name__}, not a dictionary")
        shown: dict[str, Any] = parse_ui_dict(entry)
        json.dumps(shown, default=encode_value, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        others = {key: value for key, value in entry.items() if not key.startswith("ui_")}
        return {**others, "ui_visible": entry.get("ui_visible") is True, FIELD_FORMS_PROBLEM: str(error)}
    return shown


def _ui_arguments(serialized: dict[str, Any]) -> dict[str, Any]:
    """Return the DAG's default arguments that start with ``ui_``, out of Airflow's serialised form."""
    encoded = serialized["dag"].get("default_args")
    arguments = BaseSerialization.deserialize(encoded) if encoded else {}
    return {key: value for key, value in arguments.items() if key.startswith("ui_")}
