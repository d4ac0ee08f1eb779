"""Follow a run, and pass on that something has changed in it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

from harness.run.follow import follow
from harness.run.ports import AirflowPort


class _StoppedError(Exception):
    """Following was given up."""


def follow_changes(
    airflow: AirflowPort, dag_id: str, run_id: str, changed: Callable[[], object], stopped: Callable[[], bool]
) -> None:
    """Call ``changed`` for each change of a task until the run has ended.

    Args:
        stopped: whether to give up; asked at least once in a second.

    Raises:
        PlatformError: Airflow no longer reports what happens.
    """
    with contextlib.suppress(_StoppedError):
        follow(airflow, dag_id, run_id, _Changes(changed, stopped), timeout_s=math.inf)


class _Changes:
    """A listener that reports every change in the same way."""

    def __init__(self, changed: Callable[[], object], stopped: Callable[[], bool]) -> None:
        self._changed, self._stopped = changed, stopped

    def task(self, task_id: str, state: str, seconds: float | None, attempt: int) -> None:
        self._changed()
        self._check()

    def tick(self, running: list[str]) -> None:
        self._check()

    def say(self, text: str) -> None:
        pass

    def _check(self) -> None:
        if self._stopped():
            raise _StoppedError
