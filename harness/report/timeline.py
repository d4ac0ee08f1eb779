"""The times of each task's phases, and the critical path: the chain of tasks that determined the end of the run."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Final

from harness.run.course import TaskCourse
from harness.run.results import TaskResult

PHASES: Final[Mapping[str, str]] = {
    "waiting": "waiting for a slot",
    "starting": "starting: pod, image, volumes",
    "running": "running",
    "ending": "until Airflow knew",
}
"""Phases of a task's time, in order, with their names on the page."""

# the drawing's own units; the page scales it
WIDTH: Final = 1000
_LABELS, _ROW, _TOP, _RIGHT = 230, 26, 26, 16
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of a task's time; ``begin`` and ``end`` are seconds from the beginning of the timeline."""

    name: str
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.begin


@dataclasses.dataclass(frozen=True)
class Row:
    """A task of the timeline, with its row of the table."""

    task: TaskResult
    phases: tuple[Phase, ...]
    critical: bool

    def seconds(self, phase: str) -> float | None:
        """Return the duration of a phase, ``None`` if the task did not have it."""
        return next((part.seconds for part in self.phases if part.name == phase), None)


@dataclasses.dataclass(frozen=True)
class Bar:
    """A phase as a rectangle of the drawing."""

    phase: Phase
    x: float
    width: float


@dataclasses.dataclass(frozen=True)
class TimelineLine:
    """A row of the drawing."""

    row: Row
    y: float
    bars: tuple[Bar, ...]


@dataclasses.dataclass(frozen=True)
class Drawing:
    """The timeline in the drawing's units."""

    lines: tuple[TimelineLine, ...]
    ticks: tuple[tuple[float, str], ...]
    height: int
    labels: int = _LABELS
    top: int = _TOP
    row: int = _ROW
    width: int = WIDTH


def arrange(tasks: Sequence[TaskResult], course: Sequence[TaskCourse]) -> list[Row]:
    """Return the tasks in the order of their starts; those that never started come last."""
    known = {entry.task_id: entry for entry in course}
    times = [moment for entry in course for moment in _read_times(entry) if moment is not None]
    origin = min(times, default=0.0)
    critical = set(find_critical_path(course))
    found = [
        Row(task, _phases(known[task.task_id], origin) if task.task_id in known else (), task.task_id in critical)
        for task in tasks
    ]
    return sorted(found, key=lambda row: row.phases[0].begin if row.phases else float("inf"))


def find_critical_path(course: Sequence[TaskCourse]) -> list[str]:
    """Return the chain of tasks that decided when the run ended, the first one first.

    The last task that ran waited for whichever of its upstream tasks ended last, and so on, also where that one never
    started because another one had failed.
    """
    ends = {entry.task_id: end for entry in course if (end := _time(entry.ended)) is not None}
    upstream = {entry.task_id: entry.upstream for entry in course}
    chain: list[str] = []
    ran = [entry.task_id for entry in course if entry.started and entry.task_id in ends]
    current = max(ran, key=lambda name: ends[name], default=None)
    while current is not None and current not in chain:
        chain.append(current)
        before = [name for name in upstream[current] if name in ends]
        current = max(before, key=lambda name: ends[name], default=None)
    return chain[::-1]


def draw(found: Sequence[Row]) -> Drawing | None:
    """Return the drawing of the rows; ``None`` where no times are known."""
    end = max((row.phases[-1].end for row in found if row.phases), default=0.0)
    if end <= 0:
        return None
    scale = (WIDTH - _LABELS - _RIGHT) / end
    lines = tuple(
        TimelineLine(
            row,
            _TOP + index * _ROW,
            tuple(
                Bar(part, round(_LABELS + part.begin * scale, 2), round(max(part.seconds * scale, 0.75), 2))
                for part in row.phases
            ),
        )
        for index, row in enumerate(found)
    )
    step = next((tick for tick in _TICKS if end / tick <= 8), end)
    ticks = [index * step for index in range(int(end / step) + 1)]
    return Drawing(
        lines,
        tuple((round(_LABELS + tick * scale, 2), _clock(tick)) for tick in ticks),
        _TOP + len(found) * _ROW + 8,
    )


def _phases(entry: TaskCourse, origin: float) -> tuple[Phase, ...]:
    names = tuple(PHASES)
    if entry.container_started is None:
        # no container: all of its time is its own work
        marks = [entry.queued, entry.started, entry.ended]
        names = ("waiting", "running" if entry.container_ended is None else "starting")
    else:
        marks = [entry.queued, entry.started, entry.container_started, entry.container_ended, entry.ended]
    if entry.started is None:
        return ()
    found, last = [], None
    for index, moment in enumerate(map(_time, marks)):
        if moment is None:
            continue
        # clocks of containers tick in whole seconds: nothing begins before what came first has ended
        moment = moment if last is None else max(moment, last)
        if last is not None:
            found.append(Phase(names[index - 1], last - origin, moment - origin))
        last = moment
    return tuple(found)


def _read_times(entry: TaskCourse) -> list[float | None]:
    return [] if entry.started is None else [_time(entry.queued), _time(entry.started), _time(entry.ended)]


def _time(text: str | None) -> float | None:
    try:
        return datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _clock(value: float) -> str:
    if value < 60:
        return f"{value:g} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"
