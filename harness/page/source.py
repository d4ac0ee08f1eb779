"""Read an environment, by the clients that the command line and the fixtures use."""

from __future__ import annotations

import datetime
import functools
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from harness.cluster import ledger
from harness.common.redaction import REDACTOR
from harness.page.facts import (
    ENDED,
    ListedResult,
    ShownEnvironment,
    ShownExtension,
    ShownMetrics,
    ShownProject,
    ShownRefusal,
    ShownRun,
    ShownSeries,
)
from harness.page.run_changes import follow_changes
from harness.platform import projects, releases
from harness.platform.notes import Note
from harness.run import refusal_causes
from harness.wire.records import RunRecord

if TYPE_CHECKING:
    from harness.platform.environment import Environment
    from harness.platform.projects import Project
    from harness.wire.receipts import ReceivedObject

MOST_RUNS: Final = 200
_EXAMINED: Final = 30
"""Runs whose refused requests are asked for, the newest ones."""


class Source:
    """What is on an environment now. Safe to use from several threads.

    Args:
        environment: that is read.
        started: when it was made, ISO 8601.
    """

    def __init__(self, environment: Environment, started: str = "") -> None:
        self._environment = environment
        self.shown = ShownEnvironment(
            environment.id, environment.settings.cluster, environment.settings.platform, started
        )
        self._ended: dict[tuple[str, str], RunRecord] = {}
        self._lock = threading.Lock()

    def projects(self) -> list[Project]:
        """Return all projects, as the administrator uses them."""
        return projects.find_all(self._environment.services, self._environment.credentials)

    def project(self, name: str) -> Project | None:
        """Return the project of this name."""
        return next((project for project in self.projects() if project.name == name), None)

    def show_projects(self) -> list[ShownProject]:
        """Return all projects with their software and datasets."""
        services = self._environment.services
        return [
            ShownProject(
                project.name,
                project.namespace,
                project.ae_title,
                tuple(sorted(services.software(project))),
                tuple(str(entry["name"]) for entry in services.datasets(project)),
            )
            for project in self.projects()
        ]

    def extensions(self) -> list[ShownExtension]:
        """Return the Helm releases that extensions are."""
        found = []
        for release in releases.find_all(self._environment.cluster.api):
            note = Note.of(release)
            dags = (note.dags.ids, note.dags.visible, note.dags.findings) if note else ((), (), ())
            found.append(ShownExtension(release.chart_name, release.chart_version, release.status, *dags))
        return found

    def runs(self) -> list[ShownRun]:
        """Return the runs, the newest first, at most :data:`MOST_RUNS`."""
        jobs = self._environment.services.all_jobs(self.projects()[0])
        return [_shown_run(job) for job in jobs[:MOST_RUNS]]

    def record(self, dag_id: str, run_id: str) -> RunRecord:
        """Return a run with its tasks; of one that has ended Airflow is asked once.

        Raises:
            PlatformError: there is no such run, or Airflow does not answer.
        """
        key = (dag_id, run_id)
        with self._lock:
            if key in self._ended:
                return self._ended[key]
        found = self._environment.airflow.run(dag_id, run_id)
        found = RunRecord.from_json(REDACTOR.value(found.as_json()))
        if found.state in ENDED:
            with self._lock:
                self._ended[key] = found
                if len(self._ended) > MOST_RUNS:
                    del self._ended[next(iter(self._ended))]
        return found

    def follow(self, run: ShownRun, changed: Callable[[], object], stopped: Callable[[], bool]) -> None:
        """See :func:`harness.page.run_changes.follow_changes`."""
        follow_changes(self._environment.airflow, run.dag_id, run.run_id, changed, stopped)

    def explain(self, error: Exception) -> str:
        """Return why the environment does not answer, in one line: what became of it before what was asked of it."""
        if ledger.find(self._environment.settings.state, self._environment.id) is None:
            return f"the environment {self._environment.id} has been ended"
        return self._environment.cluster.trouble() or str(error).splitlines()[0]

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str | None:
        """Return the log of one attempt of a task so far; ``None`` while it has none."""
        found = self._environment.airflow.log(dag_id, run_id, task_id, attempt)
        return None if found is None else REDACTOR.text(found)

    def list_received(self) -> list[ShownSeries]:
        """Return the series that the receiver took, the newest first."""
        series: dict[tuple[str, str], list[ReceivedObject]] = {}
        for project in self.projects():
            for receipt in self._environment.services.receipts(project.name):
                series.setdefault((project.name, receipt.series_instance_uid), []).append(receipt)
        found = [_shown_series(project, receipts) for (project, _), receipts in series.items()]
        return sorted(found, key=lambda one: one.received, reverse=True)

    def receipt_file(self, receipt_id: str) -> bytes:
        """Return the DICOM file of a receipt."""
        return self._environment.services.receipt_file(receipt_id)

    def results(self) -> list[ListedResult]:
        """Return the documents that the platform's results page lists."""
        services = self._environment.services
        return [
            ListedResult(project.name, key) for project in self.projects() for key in _keys(services.results(project))
        ]

    def result_document(self, project: Project, key: str) -> bytes:
        """Return a document of the results page.

        Raises:
            RunError: the results page does not show it.
        """
        return self._environment.services.result_document(project, key)

    def metrics(self) -> list[ShownMetrics]:
        """Return the metrics that Prometheus collected from pods."""
        return [
            ShownMetrics(project.name, target.task, target)
            for project in self.projects()
            for target in self._environment.services.scrape_targets(project.name)
        ]

    def refusals(self, runs: Iterable[ShownRun]) -> list[ShownRefusal]:
        """Return the refused requests of the tasks of the newest runs, the newest first.

        Whose request it was is known once the task's operator has published its pod: when the attempt has ended.
        """
        tasks = [
            (run, task)
            for run in [run for run in runs if run.run_id][:_EXAMINED]
            for task in self.record(run.dag_id, run.run_id).tasks
            if task.result.addresses
        ]
        peers = dict.fromkeys(address for _, task in tasks for address in task.result.addresses)
        asked = self._environment.services.refusals(list(peers)) if peers else []
        found = [
            ShownRefusal(run.dag_id, run.run_id, task.task_id, _moment(request.at), request)
            for run, task in tasks
            for request in refusal_causes.select_within(
                [one for one in asked if one.peer in task.result.addresses], task.result
            )
        ]
        return sorted(found, key=lambda one: one.request.at, reverse=True)


def _shown_run(job: dict[str, Any]) -> ShownRun:
    conf = REDACTOR.value({key: value for key, value in (job.get("conf_data") or {}).items() if key != "project_form"})
    project = (job.get("conf_data") or {}).get("project_form") or {}
    return ShownRun(
        str(job.get("dag_id") or ""),
        str(job.get("run_id") or ""),
        str(job.get("workflow_name") or ""),
        str(project.get("name") or ""),
        str(job.get("status") or ""),
        str(job.get("time_created") or ""),
        conf,
        str(job.get("error") or ""),
    )


def _shown_series(project: str, receipts: list[ReceivedObject]) -> ShownSeries:
    first = receipts[0]
    return ShownSeries(
        project,
        first.series_instance_uid,
        _class_name(first.sop_class),
        first.calling_ae,
        first.called_ae,
        receipts[-1].received_at,
        tuple(receipts),
    )


@functools.cache
def _class_name(uid: str) -> str:
    from pydicom.uid import UID

    return str(UID(uid).name)


def _keys(tree: Iterable[dict[str, Any]]) -> Iterable[str]:
    """Yield the keys of the documents in folders within folders (services 10.3)."""
    for entry in tree:
        if "children" in entry:
            yield from _keys(entry["children"])
        else:
            yield from parse_qs(urlsplit(str(entry["path"])).query).get("object_name", [])


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="seconds")
