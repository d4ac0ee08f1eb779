"""Collect the evidence of a run at its end, into one folder.

Nothing in it shows a credential of the environment: texts and names are without them, and in the copies of objects
each is overwritten by a text of the same length, which is a finding.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.common import documents
from harness.common.redaction import REDACTOR, redact
from harness.errors import PlatformError, UsageError
from harness.findings import Finding, running
from harness.run.diagnosis import seconds_between
from harness.run.items import RUN_FILE
from harness.run.outputs import SentObject, SentObjects
from harness.run.paths import Folder
from harness.run.ports import EnvironmentPort, ProjectPort
from harness.run.results import Cause, Run, RunImage, TaskResult
from harness.run.stored_objects import StoredObject, StoredObjects
from harness.settings import OPTIONS
from harness.wire.fields import Json
from harness.wire.receipts import ReceivedObject
from harness.wire.records import TaskRecord

SCHEMA = 1
_LARGEST = 256 << 20
_OF_DISKS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO})
RESULTS_PREFIX = "staticwebsiteresults/"


def is_visible_in_results(key: str) -> bool:
    """Return whether the platform's results page lists an object of the project bucket (services 10.3)."""
    return key.startswith(RESULTS_PREFIX) and key.endswith("html") and key.rsplit("/", 1)[-1] != "index.html"


def list_object_versions(environment: EnvironmentPort, bucket: str) -> dict[str, tuple[str, str]]:
    """Return the present objects of a bucket: key to (entity tag, time of change)."""
    listed = environment.object_store.list_objects(bucket, recursive=True)
    return {item.object_name: (str(item.etag), str(item.last_modified)) for item in listed if not item.is_dir}


def collect_objects(
    environment: EnvironmentPort,
    bucket: str,
    before: Mapping[str, tuple[str, str]],
    folder: Folder,
    found_in: list[str],
) -> list[StoredObject]:
    """Copy the objects that are new or changed since ``before``.

    Args:
        found_in: gets the paths of copies in which a credential was overwritten.
    """
    after = list_object_versions(environment, bucket)
    found = []
    for key in sorted(key for key, version in after.items() if before.get(key) != version):
        shown = redact(key)
        relative, path = folder.place("objects", shown)
        response = environment.object_store.get_object(bucket, key)
        try:
            _write_content(path, relative, response.stream(1 << 20), found_in)
            content_type = redact(str(response.headers.get("Content-Type", "application/octet-stream")))
        finally:
            response.close()
            response.release_conn()
        found.append(
            StoredObject(
                bucket, shown, path.stat().st_size, content_type, relative, is_visible_in_results(key), folder.root
            )
        )
    return found


def collect_sent(
    environment: EnvironmentPort,
    project: ProjectPort,
    known: Iterable[str],
    pod_ips: Iterable[str],
    folder: Folder,
    found_in: list[str],
) -> list[SentObject]:
    """Copy the objects that the platform received for the project, except the receipts ``known`` from before the run.

    Args:
        found_in: gets the paths of copies in which a credential was overwritten.
    """
    before, found = set(known), []
    receipts = [receipt for receipt in environment.services.receipts(project.name) if receipt.id not in before]
    for receipt in attribute(receipts, pod_ips):
        shown = ReceivedObject.from_json(REDACTOR.value(receipt.as_json()))
        relative, path = folder.place("sent", f"{shown.sop_instance_uid}.dcm")
        _write_content(path, relative, [environment.services.receipt_file(receipt.id)], found_in)
        found.append(
            SentObject(
                path=relative,
                sop_class=shown.sop_class,
                sop_instance_uid=shown.sop_instance_uid,
                series_instance_uid=shown.series_instance_uid,
                calling_ae=shown.calling_ae,
                called_ae=shown.called_ae,
                directory=folder.root,
            )
        )
    return found


def find_credentials(paths: Sequence[str]) -> list[Finding]:
    """Return one finding for each copy in which a credential was overwritten."""
    message = "has a credential of the environment in it, which is overwritten with * in the evidence"
    return [running.CREDENTIAL_IN_OUTPUT.report(path, message) for path in paths]


def _write_content(path: Path, shown: str, chunks: Iterable[bytes], found_in: list[str]) -> None:
    found: dict[str, None] = {}
    with path.open("wb") as file:
        for chunk in REDACTOR.stream(chunks, lambda: found.setdefault(shown)):
            file.write(chunk)
    found_in.extend(found)


def attribute(receipts: Sequence[ReceivedObject], pod_ips: Iterable[str]) -> list[ReceivedObject]:
    """Return the receipts that belong to a run, by the address of its pods where that says anything.

    A pod that also has a network for the receiver sends from an address other than the one in its status, and
    operators without a pod send from the scheduler: when no address matches, the project and the time decide.
    """
    own = {ip for ip in pod_ips if ip}
    matching = [receipt for receipt in receipts if receipt.address in own]
    return matching or list(receipts)


def collect_tasks(
    environment: EnvironmentPort, dag_id: str, records: Sequence[tuple[str, str, TaskRecord]], folder: Folder
) -> tuple[list[TaskResult], dict[str, str]]:
    """Return results and logs of tasks.

    Args:
        records: (run id, text to add to the task id, record).

    Returns:
        the results, and the text of the logs by task id.
    """
    results, logs = [], {}
    for run_id, suffix, record in records:
        outcome, attempt = record.result, record.try_number
        name, log = f"{record.task_id}{suffix}", None
        # a task that never started has no attempt and no log, and an EmptyOperator is never run
        text = None
        if attempt > 0 and record.start:
            text = environment.airflow.log(dag_id, run_id, record.task_id, attempt)
        if text is not None:
            text = redact(text)
            log, path = folder.place("logs", f"{name}.log")
            path.write_text(text, "utf-8")
            logs[name] = text
        results.append(
            TaskResult(
                task_id=name,
                operator=record.operator,
                state=record.state or "none",
                image=outcome.image or None,
                exit_code=outcome.exit_code,
                reason=outcome.reason or None,
                attempts=attempt,
                queued_s=seconds_between(record.queued_at, record.start),
                seconds=seconds_between(record.start, record.end),
                max_memory_bytes=outcome.max_memory_bytes,
                log_path=log,
                directory=folder.root,
            )
        )
    return results, logs


def make_document(run: Run) -> Json:
    """Return the content of ``run.json``."""
    document: Json = REDACTOR.value(_document(run))
    return document


def _document(run: Run) -> Json:
    return {
        "schema": SCHEMA,
        **{
            name: getattr(run, name)
            for name in ("dag_id", "run_id", "state", "platform", "cluster", "form", "started", "seconds")
        },
        "started_by": run.started_by,
        "tasks": [{"log" if key == "log_path" else key: value for key, value in _fields(t).items()} for t in run.tasks],
        "sent": [_fields(item) for item in run.sent],
        "objects": [_fields(item) for item in run.objects],
        "findings": [finding.as_json() for finding in run.findings],
        "on_other_releases": [finding.as_json() for finding in run.on_other_releases],
        "images": [
            {key: list(value) if isinstance(value, tuple) else value for key, value in _fields(image).items()}
            for image in run.images
        ],
        "cause": _fields(run.cause) if run.cause else None,
    }


def write(run: Run) -> None:
    """Write ``run.json``."""
    write_text(run.directory / RUN_FILE, json.dumps(make_document(run), indent=2, ensure_ascii=False) + "\n")


def read(directory: Path) -> Run:
    """Return the run that :func:`write` wrote.

    Raises:
        UsageError: there is no run in the folder, or one of another schema.
    """
    path = directory / RUN_FILE
    if not os.path.exists(path):
        raise UsageError(f"{directory} is not the folder of a run: it has no run.json")
    try:
        document = documents.parse_json(documents.read_bytes(path, most=_LARGEST))
        if document["schema"] != SCHEMA:
            raise UsageError(f"{path} has schema {document['schema']}, this version reads {SCHEMA}")
        cause = document["cause"]
        return Run(
            **{
                name: document[name]
                for name in ("dag_id", "run_id", "state", "platform", "cluster", "form", "started", "seconds")
            },
            tasks=tuple(
                TaskResult(**task, log_path=log, directory=directory)
                for log, task in map(_without_log, document["tasks"])
            ),
            sent=SentObjects(
                [SentObject(**item, directory=directory) for item in document["sent"]], directory=directory
            ),
            objects=StoredObjects(
                [StoredObject(**item, directory=directory) for item in document["objects"]], directory
            ),
            findings=tuple(map(Finding.from_json, document["findings"])),
            # written since findings about other releases are separate
            on_other_releases=tuple(map(Finding.from_json, document.get("on_other_releases", ()))),
            cause=Cause(**cause) if cause else None,
            directory=directory,
            run_ids=(document["run_id"],),
            # written since there is an API mode
            started_by=str(document.get("started_by", "form")),
            # written since built extensions can be installed
            images=tuple(RunImage(**_with_tuples(item)) for item in document.get("images", ())),
        )
    except documents.DocumentError as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path} is not evidence of a run: {type(error).__name__}: {error}") from None


def _with_tuples(item: Json) -> Json:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}


def _without_log(task: Json) -> tuple[str | None, Json]:
    return task["log"], {key: value for key, value in task.items() if key != "log"}


def _fields(value: Any) -> Json:
    """Return a dataclass as JSON, without the folder that its paths are relative to."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.name != "directory"}


def write_text(path: Path, text: str) -> None:
    """Write a file of the evidence, which appears complete or not at all.

    Raises:
        PlatformError: the disk does not take it.
    """
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            # a log or a name may hold what UTF-8 cannot say
            partial.write_text(text, "utf-8", errors="backslashreplace")
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Name the folder where a disk is full, or may no longer be written.

    Raises:
        PlatformError: the evidence is incomplete.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_DISKS:
            raise
        raise PlatformError(
            f"the evidence in {folder} is incomplete: {error.strerror}",
            fix=f"make room there, or choose another folder with --out (pytest: {OPTIONS['report'].pytest_flag})",
        ) from None
