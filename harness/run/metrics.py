"""Metrics that pods offered to Prometheus: evidence below ``metrics/``, and findings about what did not come."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.errors import CheckError
from harness.run.paths import Folder
from harness.run.ports import EnvironmentPort, Json, ProjectPort
from harness.run.results import Finding

_AREA = "metrics"
_FIX = (
    'the program must listen on 0.0.0.0 (not 127.0.0.1) from early on, and annotations={"prometheus.io/port": "..."} '
    "must name its port as text"
)


def collect(
    environment: EnvironmentPort, project: ProjectPort, run_ids: Sequence[str], folder: Folder
) -> list[Finding]:
    """Write what this run's pods said, one file for each task with annotations, and name what did not answer."""
    by_task: dict[str, list[Json]] = {}
    for target in environment.services.scraped(project.name):
        run_id, _, task_id = str(target["task"]).partition("/")
        if run_id in run_ids:
            suffix = f" [{list(run_ids).index(run_id) + 1}/{len(run_ids)}]" if len(run_ids) > 1 else ""
            by_task.setdefault(f"{task_id}{suffix}", []).append(target)
    findings = []
    for name, every in by_task.items():
        # as with logs, of the last attempt
        pod = every[-1]["labels"]["kubernetes_pod_uid"]
        targets = [target for target in every if target["labels"]["kubernetes_pod_uid"] == pod]
        _, path = folder.place(_AREA, f"{name}.json")
        path.write_text(json.dumps({"task_id": name, "targets": targets}, indent=1) + "\n", "utf-8")
        findings += [finding for target in targets if (finding := _finding(name, target))]
    return findings


def _finding(task: str, target: Json) -> Finding | None:
    if target["answers"]:
        return None
    times = f"asked {target['attempts']} times" if target["attempts"] else "never asked"
    if target["answered_otherwise"]:
        message = f"offers Prometheus no metrics: {target['error']} ({times})"
        return Finding(
            "metrics-unreadable", "warning", task, message, "answer in Prometheus' text format with HTTP 200"
        )
    message = f"is annotated prometheus.io/scrape, but its endpoint never answered: {target['error']} ({times})"
    return Finding("metrics-never-answered", "warning", task, message, _FIX)


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
        """The values of one series in the order of time, each only where it differs from the one before.

        Raises:
            CheckError: no series, or several, have this name and these labels.
        """
        found = list(self._matching(name, labels))
        if len(found) != 1:
            listed = "\n".join(_shown(own) for own, _ in self.series) or "no series"
            raise CheckError(
                f"{len(found) or 'no'} series of task {self.task_id} match {_shown({'__name__': name, **labels})}",
                last_seen=listed,
                fix="name more labels" if found else "",
            )
        return [value for _, value in found[0][1]]

    def last(self, name: str, **labels: str) -> float:
        """The last value of one series."""
        return self.values(name, **labels)[-1]

    def _matching(
        self, name: str, labels: Mapping[str, str]
    ) -> Iterator[tuple[Mapping[str, str], tuple[tuple[float, float], ...]]]:
        wanted = {"__name__": name, **labels}.items()
        return ((own, points) for own, points in self.series if wanted <= own.items())


def _shown(labels: Mapping[str, str]) -> str:
    rest = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()) if key != "__name__")
    return f"{labels.get('__name__', '')}{{{rest}}}"


def read(directory: Path) -> dict[str, TaskMetrics]:
    """The metrics in the evidence of a run, by task."""
    found = {}
    for path in sorted((directory / _AREA).glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        series = [
            (entry["metric"], tuple((float(at), float(value)) for at, value in entry["values"]))
            for target in document["targets"]
            for entry in target["series"]
        ]
        found[document["task_id"]] = TaskMetrics(document["task_id"], tuple(series))
    return found
