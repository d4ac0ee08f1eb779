# mypy: disable-error-code="import-not-found,misc"
"""Airflow's executor of the harness: one fork of the warmed scheduler per task, nothing in between.

Airflow's LocalExecutor puts a manager process, a queue and a second fork between scheduler and task; its loop then
finds out about an ended task at its next turn. Here the end of a task wakes the scheduler (:mod:`wakeup`).
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from airflow.executors.base_executor import PARALLELISM, BaseExecutor
from airflow.utils.state import TaskInstanceState

from harness.incluster.airflow import start_failures
from harness.incluster.airflow.imports import parse_task_command
from harness.wire.polling import Polling

_STOP_S: Final = 8.0


class ForkExecutor(BaseExecutor):
    """Runs ``airflow tasks run --local`` in a forked child; the child's exit status is the task's."""

    is_local = True
    supports_pickling = False
    serve_logs = False

    def __init__(self, parallelism: int = PARALLELISM) -> None:
        super().__init__(parallelism=parallelism)
        self._children: dict[int, Any] = {}

    def start(self) -> None:
        """Do nothing: no worker is needed."""

    def execute_async(
        self, key: Any, command: list[str], queue: str | None = None, executor_config: Any = None
    ) -> None:
        """Fork a task."""
        self.validate_airflow_tasks_run_command(command)
        pid = os.fork()
        if pid == 0:
            _run_in_child(command)
        self._children[pid] = key

    def sync(self) -> None:
        """Report the tasks that have ended."""
        for pid, key in list(self._children.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._children[pid]
                self.change_state(key, TaskInstanceState.FAILED if status else TaskInstanceState.SUCCESS)

    def end(self) -> None:
        """Stop the tasks, which delete their pods, because the scheduler stops."""
        self.terminate()

    def terminate(self) -> None:
        """Ask all tasks to end, and wait a little; the container's end takes the rest."""
        for pid in self._children:
            _signal(pid, signal.SIGTERM)
        polling = Polling(timeout_s=_STOP_S, pause_s=0.05)
        while self._children and polling.again():
            self.sync()
        for pid in self._children:
            _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def _default_signals() -> Iterator[None]:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    yield


def _run_in_child(command: list[str]) -> None:
    """Run the command as Airflow's own executors do in a fork; never returns."""
    status = 1
    arguments = None
    try:
        with _default_signals():
            arguments = parse_task_command(command)
            arguments.func(arguments)
            status = 0
    except BaseException as error:
        logging.getLogger(__name__).exception("the task failed: %s", command)
        if isinstance(error, Exception) and arguments is not None:
            _fail_queued_task(arguments, error)
    finally:
        logging.shutdown()
        os._exit(status)


def _fail_queued_task(arguments: Any, error: Exception) -> None:
    """Record the failure of a task that has not started; the scheduler learns it from the database."""
    try:
        start_failures.fail_queued_task(arguments, error)
    except Exception:
        logging.getLogger(__name__).exception("the failure was not noted")
