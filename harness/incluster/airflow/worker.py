# mypy: disable-error-code="import-not-found,import-untyped"
"""Call the callable of a Python operator in a pod of the project: ``python -m harness.incluster.airflow.worker``.

Arguments: the DAG file, dag id, run id, task id. The DAG folder comes from the web server, everything else from
Airflow's database, so that the callable finds the context that it would find in Airflow's own worker (runtime 5.2).
"""

from __future__ import annotations

import io
import logging
import os
import sys
import tarfile
import traceback
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from harness.incluster.airflow import config, data_access, imports
from harness.incluster.airflow.outcome import XCOM_END, XCOM_LOOKED, XCOM_RETURN
from harness.wire import airflow_routes, names

_SECONDS: Final = 60.0


def fetch_dags(folder: Path, url: str, token: str) -> None:
    """Unpack the DAG folder that the web server has.

    Raises:
        OSError: the web server does not answer, or refuses the token.
    """
    folder.mkdir(parents=True, exist_ok=True)
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # the platform's own plain-HTTP name
        data = answer.read()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")


def call(file: str, dag_id: str, run_id: str, task_id: str) -> int:
    """Run one task's callable; the exit status. What became of it goes to two XComs of the task."""
    with imports.importing():
        from airflow.exceptions import AirflowFailException, AirflowSkipException
        from airflow.models import DagBag, TaskInstance
        from airflow.models.taskinstance import set_current_context
        from airflow.operators.python import PythonOperator
        from airflow.utils.session import create_session
    imports.skip_kubernetes()

    bag = DagBag(dag_folder=file, include_examples=False, safe_mode=False, read_dags_from_db=False)
    dag = bag.dags.get(dag_id)
    if dag is None:
        print(next(iter(bag.import_errors.values()), f"{file} defines no DAG {dag_id}"))
        return 1
    # the copy that may be executed: on others Airflow looks for dependencies in every value that is set
    task = dag.get_task(task_id).prepare_for_execution()
    with create_session() as session:
        ti: Any = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id, task_id=task_id).one()
        ti.refresh_from_task(task)
        context = ti.get_template_context(session=session)
        ti.render_templates(context=context)
        session.expunge_all()
    has_looked = data_access.watch_reads(Path(names.AIRFLOW_WORKFLOW_DIR, run_id))
    try:
        with set_current_context(context):
            # without Airflow's guard: the task instance that called execute() is in the scheduler
            returned = PythonOperator.execute.__wrapped__(ti.task, context)
        if returned is not None:
            ti.xcom_push(key=XCOM_RETURN, value=returned)
    except AirflowSkipException as error:
        ti.xcom_push(key=XCOM_END, value={"kind": "skip", "text": str(error) or "the callable skipped the task"})
        return names.SKIP_EXIT_CODE
    except BaseException as error:
        traceback.print_exc(file=sys.stdout)
        kind = "fail" if isinstance(error, AirflowFailException) else "error"
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        ti.xcom_push(key=XCOM_END, value={"kind": kind, "text": text})
        return 1
    finally:
        ti.xcom_push(key=XCOM_LOOKED, value=has_looked())
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run the task that the arguments name."""
    config.apply()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    url = os.environ.get("KAAPANA_HARNESS_WEB_URL") or names.url(names.AIRFLOW)
    # removed from the environment, because the platform's has none either
    token = os.environ.pop(names.DAGS_TOKEN_VARIABLE, "")
    fetch_dags(Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]), url + airflow_routes.DAGS_ARCHIVE, token)
    with imports.importing():
        import airflow  # noqa: F401 - puts the DAG folder on sys.path and its own handlers in place

    task_logger = logging.getLogger("airflow.task")
    # its handler writes an unread file; the container's output is the task's log
    task_logger.handlers.clear()
    task_logger.propagate = True
    status = call(*arguments)
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
