"""Evidence of runs, made without a platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.findings import Finding
from harness.run import course, evidence
from harness.run.course import TaskCourse
from harness.run.outputs import SentObject, SentObjects
from harness.run.results import Cause, Run, TaskResult
from harness.run.stored_objects import StoredObject

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
CLOCK = "2026-11-24T20:00:{:06.3f}+00:00"


def moment(seconds: float) -> str:
    return CLOCK.format(seconds)


def waited(name: str, upstream: Sequence[str], *times: float | None) -> TaskCourse:
    """Times: queued, started, container started, container ended, ended."""
    return TaskCourse(name, tuple(upstream), *(None if at is None else moment(at) for at in times))


def make_run(
    folder: Path,
    *,
    tasks: Mapping[str, str] | None = None,
    logs: Mapping[str, str] | None = None,
    objects: Mapping[str, bytes] | None = None,
    sent: Sequence[tuple[str, Path]] = (),
    sources: Sequence[Any] = (),
    cause: Cause | None = None,
    findings: Sequence[Finding] = (),
    went: course.Course | None = None,
    name: str = "otsus-method",
    form: Mapping[str, Any] | None = None,
) -> Run:
    """A run with its evidence on disk, but without a report.

    Args:
        tasks: state by task.
        logs: text by task.
        objects: content by key.
        sent: SOP class and file of each DICOM object.
    """
    tasks = {"get-input": "success", "otsus-method": "success"} if tasks is None else tasks
    folder.mkdir(parents=True, exist_ok=True)
    for area, contents in (("logs", logs or {}), ("objects", objects or {})):
        for key, content in contents.items():
            path = folder / area / (f"{key}.log" if area == "logs" else key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    items = []
    for number, (sop_class, file) in enumerate(sent, 1):
        copy = folder / "sent" / f"1.2.{number}.dcm"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(file.read_bytes())
        items.append(
            SentObject(f"sent/1.2.{number}.dcm", sop_class, f"1.2.{number}", "1.2", "kp-otsus", "kp-t1", folder)
        )
    run = Run(
        dag_id=name,
        run_id=f"{name}-241124200000",
        state="failed" if cause else "success",
        platform="0.6.1",
        cluster="docker",
        form=dict(form or {"workflow_form": {"threshold_bins": 64}}),
        started=moment(0),
        seconds=12.3,
        tasks=tuple(
            TaskResult(
                task_id,
                "KaapanaBaseOperator",
                state,
                image=f"localhost:5000/{task_id}:0.6.1",
                exit_code=1 if state == "failed" else 0,
                reason="Error" if state == "failed" else "Completed",
                attempts=1,
                seconds=4.0,
                max_memory_bytes=64 << 20,
                log_path=f"logs/{task_id}.log" if task_id in (logs or {}) else None,
                directory=folder,
            )
            for task_id, state in tasks.items()
        ),
        sent=SentObjects(items, sources),
        objects=tuple(
            StoredObject(
                "project-t1",
                key,
                len(content),
                "application/octet-stream",
                f"objects/{key}",
                evidence.is_visible_in_results(key),
                folder,
            )
            for key, content in (objects or {}).items()
        ),
        findings=tuple(findings),
        cause=cause,
        directory=folder,
    )
    evidence.write(run)
    course.write(folder, went or course.Course())
    return run
