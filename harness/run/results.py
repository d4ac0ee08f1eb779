"""The result of a run: frozen values that a test asserts on; ``run.json`` is a view of them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.checks.verdict import Verdict
from harness.common.redaction import redact
from harness.errors import CheckError
from harness.findings import Finding
from harness.run import metadata, notifications, refusals
from harness.run.metadata import MetadataDocuments
from harness.run.metrics import TaskMetrics, read_metrics
from harness.run.notifications import SentNotifications
from harness.run.outputs import SentObjects
from harness.run.refusals import Refusals
from harness.run.stored_objects import Reports, StoredObjects


@dataclasses.dataclass(frozen=True)
class Cause:
    """Why a run failed, in the author's terms; it shows no credential.

    Args:
        task_id: the task that failed first, ``None`` when no task is to blame.
        summary: one line.
        detail: observations, e.g. the tail of the log.
        fix: the next step.
    """

    task_id: str | None
    summary: str
    detail: str = ""
    fix: str = ""

    def __post_init__(self) -> None:
        for name in ("summary", "detail", "fix"):
            object.__setattr__(self, name, redact(getattr(self, name)))

    @property
    def line(self) -> str:
        """One line that names the task and what happened to it."""
        return f"task {self.task_id}: {self.summary}" if self.task_id else self.summary

    def __str__(self) -> str:
        lines = [self.line]
        lines.extend(f"    {line}" for line in self.detail.splitlines())
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class TaskResult:
    """One task of a run.

    Args:
        task_id: as in the DAG; with several DAG runs of one workflow ``<task_id> [<n>/<runs>]``.
        operator: class name.
        state: Airflow's final state.
        image: reference of the container's image, ``None`` for tasks without a container.
        exit_code: of the container, if it ended itself.
        reason: why the last attempt ended, e.g. ``Completed``, ``OOMKilled``, ``ErrImagePull``.
        attempts: how many attempts were made.
        queued_s: seconds between queued and started.
        seconds: seconds between started and ended, of the last attempt.
        max_memory_bytes: highest memory use that was measured.
        log_path: path of the log of the last attempt relative to ``directory``, ``None`` when it never started.
    """

    task_id: str
    operator: str
    state: str
    image: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    attempts: int = 0
    queued_s: float | None = None
    seconds: float | None = None
    max_memory_bytes: int | None = None
    log_path: str | None = None
    directory: Path = dataclasses.field(repr=False, compare=False, default=Path())

    @property
    def log(self) -> str:
        """Text of the last attempt's log, empty when the task never started."""
        return (self.directory / self.log_path).read_text("utf-8", errors="replace") if self.log_path else ""


@dataclasses.dataclass(frozen=True)
class RunImage:
    """One image of the extension: the bytes that ran.

    Args:
        reference: under which pods pulled it.
        origin: ``built``, the archive's name, ``registry/repository@digest``, or the engine.
        config_digest: ``sha256:...`` of its configuration; of its manifest, where it was built here and containerd
            keeps the engine's images.
        layers: digests of its uncompressed layers, the lowest first.
        tasks: the tasks with containers of this image; empty for the DAG image.
        replaced: what settings of the site put in place of bases and URLs of its Dockerfile, with its line.
    """

    reference: str
    origin: str
    config_digest: str
    layers: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run of a workflow.

    ``started`` is ISO 8601 in UTC; ``form`` holds the submitted values by form; ``run_ids`` has more than one
    entry when ``single_execution`` split the workflow (runtime 10.2). ``started_by`` is ``form`` where a user of the
    page could have done the same, and ``api`` for a conf that was posted unchanged. ``findings`` are about
    the chosen platform, ``on_other_releases`` about others only.
    """

    dag_id: str
    run_id: str
    state: str
    platform: str
    cluster: str
    form: dict[str, Any]
    started: str
    seconds: float
    tasks: tuple[TaskResult, ...]
    sent: SentObjects
    objects: StoredObjects
    findings: tuple[Finding, ...]
    cause: Cause | None
    directory: Path
    run_ids: tuple[str, ...] = ()
    images: tuple[RunImage, ...] = ()
    started_by: str = "form"
    on_other_releases: tuple[Finding, ...] = ()

    @functools.cached_property
    def succeeded(self) -> Verdict:
        """Whether the DAG run succeeded; if not, the verdict has the failed task and its cause."""
        if self.state == "success":
            return Verdict(True, "run", f"{self.dag_id} succeeded")
        summary = self.cause.line if self.cause else f"{self.dag_id} ended {self.state}"
        details = str(self.cause).splitlines()[1:] if self.cause else []
        return Verdict(False, "run", summary, (*details, f"evidence: {self.directory}"))

    @property
    def reports(self) -> Reports:
        """The documents on the platform's results page."""
        return Reports(self.objects)

    @property
    def metadata(self) -> MetadataDocuments:
        """The documents that were written to the project's metadata index, by series UID."""
        return metadata.read(self.directory)

    @property
    def notifications(self) -> SentNotifications:
        """The notifications that were sent to users of the project."""
        return notifications.read(self.directory)

    @property
    def refused(self) -> Refusals:
        """The requests of the run's pods that services of the platform refused."""
        return refusals.read(self.directory)

    @property
    def metrics(self) -> Mapping[str, TaskMetrics]:
        """What the pods with Prometheus' annotations said, by task."""
        return read_metrics(self.directory)

    def task(self, task_id: str) -> TaskResult:
        """Return one task.

        Raises:
            CheckError: the DAG has no such task.
        """
        for task in self.tasks:
            if task.task_id == task_id:
                return task
        raise CheckError(f"{self.dag_id} has no task {task_id!r}; it has {', '.join(t.task_id for t in self.tasks)}")

    def __repr__(self) -> str:
        return f"<Run {self.run_id} {self.state}>"
