"""The course of a run: when each task waited, started and ended, what it waited for, and the run's input.

It is ``course.json`` in the evidence, for the report; ``run.json`` has the results.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.common import documents
from harness.common.redaction import REDACTOR
from harness.errors import UsageError
from harness.run import log_lines
from harness.run.results import Cause
from harness.wire.records import TaskRecord

if TYPE_CHECKING:
    from harness.data.series import Series

FILE: Final = "course.json"
_LARGEST: Final = 64 << 20


@dataclasses.dataclass(frozen=True)
class TaskCourse:
    """When things happened to one task; times are ISO 8601, ``None`` for what did not happen.

    Args:
        task_id: as in the run.
        upstream: the tasks that it waited for.
        queued: when Airflow chose it to run.
        started: when Airflow started it; the operator then creates the pod.
        container_started: when its container ran: scheduled, image pulled, volumes mounted.
        container_ended: when the container ended.
        ended: when Airflow knew its state.
    """

    task_id: str
    upstream: tuple[str, ...] = ()
    queued: str | None = None
    started: str | None = None
    container_started: str | None = None
    container_ended: str | None = None
    ended: str | None = None


@dataclasses.dataclass(frozen=True)
class InputSeries:
    """A series that the run was given; ``path`` is the folder that it was read from."""

    name: str
    series_instance_uid: str
    modality: str
    images: int
    path: str


@dataclasses.dataclass(frozen=True)
class Course:
    """How a run went.

    Args:
        tasks: one entry for each task of the run.
        input: its input.
        logged: the lines of the failed task's log that say what went wrong, without the prefix of Airflow.
    """

    tasks: tuple[TaskCourse, ...] = ()
    input: tuple[InputSeries, ...] = ()
    logged: tuple[str, ...] = ()


def make_course(
    records: Sequence[TaskRecord], series: Sequence[Series], cause: Cause | None, logs: Mapping[str, str]
) -> Course:
    """Return the course of a run.

    Args:
        records: of its tasks, with the names that the run gives them.
        series: its input.
        cause: why it failed.
        logs: text of the logs by task.
    """
    return Course(
        tuple(_task(record) for record in records),
        tuple(
            InputSeries(item.name, item.series_instance_uid, item.modality, len(item.instances), _text(item.path))
            for item in series
        ),
        tuple(_lines_of_cause(records, cause, logs)),
    )


def _task(record: TaskRecord) -> TaskCourse:
    return TaskCourse(
        record.task_id,
        tuple(record.upstream),
        record.queued_at,
        record.start,
        record.result.started,
        record.result.finished,
        record.end,
    )


def _text(path: Path) -> str:
    """Return a path as text that JSON can say; a name may have bytes that are not UTF-8."""
    return os.fsencode(path.absolute()).decode("utf-8", "replace")


def _lines_of_cause(records: Sequence[TaskRecord], cause: Cause | None, logs: Mapping[str, str]) -> list[str]:
    if cause is None or cause.task_id is None:
        return []
    tail = next((record.result.log_tail for record in records if record.task_id == cause.task_id), [])
    # the container's own lines if there are any, like those with the cause
    lines = tail or logs.get(cause.task_id, "").splitlines()
    return log_lines.find_error_lines(lines)


def write(directory: Path, course: Course) -> None:
    """Write ``course.json``."""
    from harness.run import evidence

    document = REDACTOR.value(dataclasses.asdict(course))
    evidence.write_text(directory / FILE, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read(directory: Path) -> Course:
    """Return the course in the evidence of a run, an empty one where an earlier version wrote it.

    Raises:
        UsageError: it is damaged.
    """
    path = directory / FILE
    if not path.exists():
        return Course()
    try:
        document = documents.parse_json(documents.read_bytes(path, most=_LARGEST))
        return Course(
            tuple(TaskCourse(**{**task, "upstream": tuple(task["upstream"])}) for task in document["tasks"]),
            tuple(InputSeries(**item) for item in document["input"]),
            tuple(document["logged"]),
        )
    except (documents.DocumentError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not the course of a run: {type(error).__name__}: {error}") from None
