"""Metrics that pods offered to Prometheus, as a test asserts on them; they lie in ``metrics/`` of the evidence."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.errors import CheckError

AREA = "metrics"


@dataclasses.dataclass(frozen=True)
class TaskMetrics:
    """What one task's endpoints said while it ran.

    Args:
        task_id: as in the run.
        series: labels, ``__name__`` among them, and points (seconds since 1970, value) where the value changed.
    """

    task_id: str
    series: tuple[tuple[Mapping[str, str], tuple[tuple[float, float], ...]], ...]

    @property
    def names(self) -> list[str]:
        """Names of the metrics."""
        return sorted({labels["__name__"] for labels, _ in self.series})

    def values(self, name: str, **labels: str) -> list[float]:
        """Return the values of one series in the order of time, each only where it differs from the one before.

        Raises:
            CheckError: no series, or several, have this name and these labels.
        """
        found = list(self._matching(name, labels))
        if len(found) != 1:
            listed = "\n".join(_show(own) for own, _ in self.series) or "no series"
            raise CheckError(
                f"{len(found) or 'no'} series of task {self.task_id} match {_show({'__name__': name, **labels})}",
                last_seen=listed,
                fix="name more labels" if found else "",
            )
        return [value for _, value in found[0][1]]

    def last(self, name: str, **labels: str) -> float:
        """Return the last value of one series."""
        return self.values(name, **labels)[-1]

    def _matching(
        self, name: str, labels: Mapping[str, str]
    ) -> Iterator[tuple[Mapping[str, str], tuple[tuple[float, float], ...]]]:
        wanted = {"__name__": name, **labels}.items()
        return ((own, points) for own, points in self.series if wanted <= own.items())


def _show(labels: Mapping[str, str]) -> str:
    rest = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()) if key != "__name__")
    return f"{labels.get('__name__', '')}{{{rest}}}"


def read_metrics(directory: Path) -> dict[str, TaskMetrics]:
    """Return the metrics in the evidence of a run, by task."""
    found = {}
    for path in sorted((directory / AREA).glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        series = [
            (entry["metric"], tuple((float(at), float(value)) for at, value in entry["values"]))
            for target in document["targets"]
            for entry in target["series"]
        ]
        found[document["task_id"]] = TaskMetrics(document["task_id"], tuple(series))
    return found
