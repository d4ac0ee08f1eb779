"""Collect the metrics that pods offered to Prometheus as evidence; metrics that did not come become findings."""

from __future__ import annotations

import json
from collections.abc import Sequence

from harness.common.redaction import REDACTOR
from harness.findings import Finding, running
from harness.run.metrics import AREA
from harness.run.paths import Folder
from harness.run.ports import EnvironmentPort, ProjectPort
from harness.wire.annotations import split_mark
from harness.wire.scrape_targets import ScrapedTarget


def collect(
    environment: EnvironmentPort, project: ProjectPort, run_ids: Sequence[str], folder: Folder
) -> list[Finding]:
    """Write what this run's pods said, one file for each task with annotations, and name what did not answer."""
    by_task: dict[str, list[ScrapedTarget]] = {}
    for target in environment.services.scrape_targets(project.name):
        run_id, task_id = split_mark(target.task)
        if run_id in run_ids:
            suffix = f" [{list(run_ids).index(run_id) + 1}/{len(run_ids)}]" if len(run_ids) > 1 else ""
            by_task.setdefault(f"{task_id}{suffix}", []).append(
                ScrapedTarget.from_json(REDACTOR.value(target.as_json()))
            )
    findings = []
    for name, every in by_task.items():
        # as with logs, of the last attempt
        targets = [target for target in every if target.pod == every[-1].pod]
        document = {"task_id": name, "targets": [target.as_json() for target in targets]}
        _, path = folder.place(AREA, f"{name}.json")
        path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        findings += [finding for target in targets if (finding := _finding(name, target))]
    return findings


def _finding(task: str, target: ScrapedTarget) -> Finding | None:
    if target.answers:
        return None
    times = f"asked {target.attempts} times" if target.attempts else "never asked"
    if target.answered_otherwise:
        message = f"offers Prometheus no metrics: {target.error} ({times})"
        return running.METRICS_UNREADABLE.report(task, message)
    message = f"is annotated prometheus.io/scrape, but its endpoint never answered: {target.error} ({times})"
    return running.METRICS_NEVER_ANSWERED.report(task, message)
