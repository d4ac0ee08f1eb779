"""What Airflow's web server says about a run and its tasks, see ``harness_api``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.wire.fields import select_fitting
from harness.wire.outcome import Outcome, read_published


@dataclasses.dataclass(frozen=True)
class TaskRecord:
    """A task instance. Times are ISO 8601 in UTC, ``None`` for what did not happen.

    Attributes:
        task_id: in the DAG; the host adds to it which run of several it is of.
        operator: name of its class.
        state: Airflow's; ``None`` until Airflow schedules it.
        try_number: attempts that were begun.
        max_tries: retries that it has.
        queued_at: when Airflow chose it to run.
        start: when its last attempt started.
        end: when that ended.
        trigger_rule: of its operator; ``None`` if the DAG is gone.
        upstream: the tasks that it waits for.
        outcome: what became of its pod; ``None`` where the operator has published nothing.
    """

    task_id: str
    operator: str = ""
    state: str | None = None
    try_number: int = 0
    max_tries: int = 0
    queued_at: str | None = None
    start: str | None = None
    end: str | None = None
    trigger_rule: str | None = None
    upstream: list[str] = dataclasses.field(default_factory=list)
    outcome: Outcome | None = None

    @property
    def result(self) -> Outcome:
        """The outcome, an empty one where nothing was published."""
        return self.outcome or Outcome()

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {**dataclasses.asdict(self), "outcome": self.outcome.as_json() if self.outcome else None}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TaskRecord:
        """Read what :meth:`as_json` returned."""
        return cls(**select_fitting(cls, document), outcome=read_published(document.get("outcome")))


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """A DAG run, with its tasks in the order of the DAG."""

    dag_id: str
    run_id: str
    state: str | None = None
    conf: dict[str, Any] | None = None
    start: str | None = None
    end: str | None = None
    tasks: tuple[TaskRecord, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {**dataclasses.asdict(self), "tasks": [task.as_json() for task in self.tasks]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RunRecord:
        """Read what :meth:`as_json` returned."""
        return cls(
            **select_fitting(cls, document), tasks=tuple(TaskRecord.from_json(task) for task in document["tasks"])
        )


@dataclasses.dataclass(frozen=True)
class TaskChange:
    """A task has changed its state; ``at`` is ISO 8601 in UTC."""

    task_id: str
    state: str = ""
    try_number: int = 0
    at: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class RunEnd:
    """The run has ended; ``None``: it is gone."""

    state: str | None

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"run": self.state}


def change_from_json(document: Mapping[str, Any]) -> TaskChange | RunEnd:
    """Read one line of the events of a run."""
    return RunEnd(document["run"]) if "run" in document else TaskChange(**select_fitting(TaskChange, document))
