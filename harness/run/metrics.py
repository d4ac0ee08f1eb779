"""Metrics that pods offered to Prometheus, as a test asserts on them; they lie in ``metrics/`` of the evidence."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.checks import explanations, questions
from harness.checks.explanations import Explained
from harness.errors import CheckError

AREA = "metrics"


class MetricValue(Explained):
    """A value of a metric.

    Attributes:
        values: all values of its series in the order of time, each only where it differs from the one before.
        series: name and labels.
        task_id: whose metric it is.
    """

    values: tuple[float, ...]
    series: str
    task_id: str

    @property
    def what(self) -> str:
        """Return the name of the series with its task."""
        return f"{self.series} of task {self.task_id}"

    @property
    def explanation(self) -> list[str]:
        """Return the extremes and the values of the series."""
        shown = [f"{value:.6g}" for value in self.values]
        middle = [*shown[:5], "...", *shown[-5:]] if len(shown) > 12 else shown
        finite = [value for value in self.values if math.isfinite(value)]
        extremes = f"lowest {min(finite):.6g}, highest {max(finite):.6g}; " if finite else ""
        return [f"{extremes}its values in the order of time: {', '.join(middle)}"]


@dataclasses.dataclass(frozen=True)
class TaskMetrics:
    """What one task's endpoints said while it ran.

    Args:
        task_id: as in the run.
        series: labels, ``__name__`` among them, and points (seconds since 1970, value) where the value changed.
        file: where they are kept.
    """

    task_id: str
    series: tuple[tuple[Mapping[str, str], tuple[tuple[float, float], ...]], ...]
    file: Path | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def names(self) -> list[str]:
        """Names of the metrics."""
        return sorted({labels["__name__"] for labels, _ in self.series})

    def values(self, name: str, **labels: str) -> list[float]:
        """Return the values of one series in the order of time, each only where it differs from the one before.

        Raises:
            CheckError: no series, or several, have this name and these labels.
        """
        found = list(self._match(name, labels))
        if len(found) != 1:
            listed = "\n".join(_show(own) for own, _ in self.series) or "no series"
            raise CheckError(
                f"{len(found) or 'no'} series of task {self.task_id} match {_show({'__name__': name, **labels})}",
                last_seen=listed,
                fix="name more labels" if found else "",
            )
        return [value for _, value in found[0][1]]

    def last(self, name: str, **labels: str) -> MetricValue:
        """Return the last value of one series; an assertion about it that fails says what its values were.

        Raises:
            CheckError: no series, or several, have this name and these labels; or it has no value.
        """
        values = self.values(name, **labels)
        shown = _show({"__name__": name, **labels})
        if not values:
            raise CheckError(f"{shown} of task {self.task_id} has no value")
        found = MetricValue(values[-1])
        found.values, found.series, found.task_id = tuple(values), shown, self.task_id
        explanations.note(found, sys._getframe(1))
        if self.file is not None:
            questions.note(questions.Question(self.file, f"last {shown}", f"{values[-1]:.6g}"))
        return found

    def _match(
        self, name: str, labels: Mapping[str, str]
    ) -> Iterator[tuple[Mapping[str, str], tuple[tuple[float, float], ...]]]:
        wanted = {"__name__": name, **labels}.items()
        return ((own, points) for own, points in self.series if wanted <= own.items())


def _show(labels: Mapping[str, str]) -> str:
    rest = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()) if key != "__name__")
    return f"{labels.get('__name__', '')}{{{rest}}}"


class MetricsByTask(dict[str, TaskMetrics]):
    """The metrics of each task that has some."""

    def __missing__(self, task_id: str) -> TaskMetrics:
        """Refuse a task without metrics.

        Raises:
            CheckError: names those that have some.
        """
        raise CheckError(
            f"task {task_id!r} has no metrics; there are some of {', '.join(map(repr, self)) or 'no task'}",
            fix='its operator needs annotations={"prometheus.io/scrape": "true", "prometheus.io/port": "..."}',
        )


def read_metrics(directory: Path) -> MetricsByTask:
    """Return the metrics in the evidence of a run, by task."""
    found = MetricsByTask()
    for path in sorted((directory / AREA).glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        series = [
            (entry["metric"], tuple((float(at), float(value)) for at, value in entry["values"]))
            for target in document["targets"]
            for entry in target["series"]
        ]
        found[document["task_id"]] = TaskMetrics(document["task_id"], tuple(series), path)
    return found
