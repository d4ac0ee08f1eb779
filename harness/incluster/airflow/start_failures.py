# mypy: disable-error-code="import-not-found"
"""Fail tasks that cannot begin, because their DAG file was removed or broken during the run.

Airflow leaves them to the callbacks of its DAG processor, which parses the same file; where that is gone the task
stays queued and the run never ends. Here the task fails, and its log says why.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def log_path(dag_id: str, run_id: str, task_id: str, attempt: int) -> Path | None:
    """Return the path of Airflow's log of one attempt; ``None`` for names that lead out of the log folder."""
    base = Path(os.environ["AIRFLOW__LOGGING__BASE_LOG_FOLDER"])
    path = base / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}" / f"attempt={attempt}.log"
    return path if path.resolve().is_relative_to(base.resolve()) else None


def fail_queued_task(arguments: Any, error: BaseException) -> bool:
    """Mark a task that is still queued as failed.

    Args:
        arguments: of ``airflow tasks run``, parsed.
        error: what kept the task from its start.

    Returns:
        Whether it was still queued.
    """
    from airflow.models import TaskInstance
    from airflow.utils import timezone
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState

    key = (arguments.dag_id, arguments.execution_date_or_run_id, arguments.task_id)
    with create_session() as session:
        query = session.query(TaskInstance).filter_by(
            dag_id=key[0], run_id=key[1], task_id=key[2], map_index=arguments.map_index
        )
        task = query.with_for_update().one_or_none()
        if task is None or task.state != TaskInstanceState.QUEUED:
            return False
        path = log_path(*key, task.try_number)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"the task could not start: {type(error).__name__}: {error}\n", "utf-8")
        # the attempt has begun and ended: it has a log
        task.start_date = task.end_date = timezone.utcnow()
        task.state = TaskInstanceState.FAILED
    return True
