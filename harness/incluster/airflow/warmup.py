# mypy: disable-error-code="import-not-found"
"""Run one task inside the scheduler before it starts, so that the forks of real tasks have everything loaded.

The first task of a process compiles some sixty SQL statements, configures mappers and loads templates: two thirds of
the time that Airflow itself spends on a task. What the scheduler has done once, its children inherit.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from harness.incluster.airflow.imports import parse_task_command
from harness.wire.outcome import XCOM_KEY

_LOG: Final = logging.getLogger(__name__)
_DAG_ID: Final = "kaapana-harness-rehearsal"


def warm_up() -> None:
    """Run and forget; a rehearsal that fails only costs time later."""
    try:
        with _signals_kept(), _without_logging():
            _run()
    except Exception:
        _LOG.warning("the rehearsal of a task failed; tasks will be slower", exc_info=True)
    finally:
        _forget()


def _run() -> None:
    from airflow.cli.commands.task_command import task_run
    from airflow.models import DAG
    from airflow.operators.python import PythonOperator
    from airflow.utils import timezone
    from airflow.utils.state import DagRunState, TaskInstanceState
    from airflow.utils.types import DagRunType

    now = timezone.utcnow()
    dag = DAG(_DAG_ID, schedule=None, start_date=timezone.datetime(2024, 1, 1))
    for task_id in ("supervised", "raw"):
        PythonOperator(task_id=task_id, python_callable=_push, dag=dag)
    run = dag.create_dagrun(
        run_id=_DAG_ID,
        run_type=DagRunType.MANUAL,
        state=DagRunState.RUNNING,
        execution_date=now,
        data_interval=(now, now),
        conf={},
    )
    for task_id, how in (("supervised", "--local"), ("raw", "--raw")):
        ti = run.get_task_instance(task_id)
        ti.set_state(TaskInstanceState.QUEUED)
        arguments = parse_task_command(["airflow", "tasks", "run", _DAG_ID, task_id, _DAG_ID, how])
        task_run.__wrapped__(arguments, dag=dag)


def _push(**context: Any) -> None:
    context["ti"].xcom_push(key=XCOM_KEY, value={})


def _forget() -> None:
    from airflow.models import DagRun, TaskInstance, XCom
    from airflow.utils.session import create_session

    with create_session() as session:
        for model in (XCom, TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == _DAG_ID).delete(synchronize_session=False)
    logs = Path(os.environ["AIRFLOW__LOGGING__BASE_LOG_FOLDER"]) / f"dag_id={_DAG_ID}"
    shutil.rmtree(logs, ignore_errors=True)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Restore the signal handlers afterwards: a task installs its own."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGSEGV, signal.SIGUSR2)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _without_logging() -> Iterator[None]:
    previous = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(previous)
