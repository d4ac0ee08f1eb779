"""Execute one run from the form to the evidence: prepare, trigger, follow, settle, collect, diagnose, write."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import profiles, report
from harness.common.redaction import REDACTOR
from harness.common.references import split_reference
from harness.common.repositories import HeldRepository
from harness.errors import HarnessError
from harness.findings import RULES, Finding, running
from harness.run import (
    course,
    diagnosis,
    earlier_tasks,
    evidence,
    findings,
    lost_files,
    metadata,
    notices,
    notifications,
    refusal_causes,
    refusals,
    releases,
    scrapes,
    sent_segmentations,
    source_geometry,
)
from harness.run.follow import Listener, Silent, follow
from harness.run.interactive import Attendant
from harness.run.outputs import SentObjects
from harness.run.paths import Folder
from harness.run.ports import EnvironmentPort, ImagePort, ProjectPort, RegistryPort
from harness.run.posted_forms import Posted
from harness.run.results import Run, RunImage, TaskResult
from harness.run.stored_objects import StoredObjects
from harness.run.trigger import Triggered, make_page_rules, read_dataset, trigger
from harness.wire import reasons
from harness.wire.records import TaskRecord

if TYPE_CHECKING:
    from harness.data.series import Series

# sent objects must be ingested before they are read; the receiver waits for half a second of silence
_SETTLE_TIMEOUT_S = 60.0
_RESTARTED = running.SERVICES_RESTARTED.report(
    "the emulated services",
    "they restarted during the run or since the last one: acknowledged data is there, but requests at that moment "
    "failed",
)
# after an abort Airflow ends the tasks' processes, which delete their pods
_ABORT_TIMEOUT_S = 30.0


@dataclasses.dataclass(frozen=True)
class RunRequest:
    """What to run.

    Args:
        dag_id: the DAG.
        directory: empty or absent folder for the evidence.
        timeout_s: seconds until the run is aborted.
        platform: name of the profile, for the evidence.
        cluster: name of the cluster, for the evidence.
        dataset: series, a folder, a list of series, or ``None``.
        form: values by property name, or by form.
        form_text: the same as text from a command line, typed by the DAG's form.
        posted: the document of a REST client, instead of a form.
        given_arguments: arguments that releases treat differently, from the extension's source.
        findings: those about the extension before it runs.
        images: the extension's own images.
        input_readers: names of the images whose programs read OPERATOR_IN_DIR.
        pictures: whether the report has its pictures at once; a test writes it again when it ends.
    """

    dag_id: str
    directory: Path
    timeout_s: float
    platform: str
    cluster: str
    dataset: Any = None
    form: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    form_text: Mapping[str, str] = dataclasses.field(default_factory=dict)
    posted: Posted | None = None
    given_arguments: Sequence[findings.GivenArgument] = ()
    findings: Sequence[Finding] = ()
    images: Sequence[ImagePort] = ()
    input_readers: Sequence[str] = ()
    pictures: bool = True


@dataclasses.dataclass(frozen=True)
class _Before:
    """The state before the run, to find afterwards what the run added."""

    objects: Mapping[str, tuple[str, str]]
    receipts: frozenset[str]
    notifications: frozenset[str]


def execute(
    environment: EnvironmentPort,
    project: ProjectPort,
    request: RunRequest,
    *,
    listener: Listener | None = None,
    registry: RegistryPort | None = None,
    on_start: Callable[[Triggered], object] = lambda triggered: None,
) -> Run:
    """Run a DAG and collect its evidence. A failed run is a result, not an exception.

    Args:
        listener: receives the events of the run.
        registry: of the platform; ``None`` if it cannot be asked.
        on_start: gets the started workflow at once.

    Raises:
        UsageError: dataset or form do not fit the DAG.
        RunError: the platform did not start the workflow.
        PlatformError: the platform was lost.
    """
    listener = listener or Silent()
    series = read_dataset(request.dataset)
    before = _Before(
        evidence.list_object_versions(environment, project.bucket),
        frozenset(receipt.id for receipt in environment.services.receipts(project.name)),
        frozenset(one.id for one in environment.services.notifications(project.name)),
    )
    started, clock = datetime.datetime.now(datetime.timezone.utc), time.monotonic()
    triggered = trigger(
        environment,
        project,
        request.dag_id,
        series=series,
        form=request.form,
        form_text=request.form_text,
        rules=make_page_rules(profiles.load(request.platform)),
        posted=request.posted,
    )
    snapshot = None
    attendant = Attendant(environment.cluster, triggered.run_ids, listener)
    report.preload()
    try:
        on_start(triggered)
        for run_id in triggered.run_ids:
            listener.say(f"run {run_id}")
            left = max(0.001, request.timeout_s - (time.monotonic() - clock))
            followed = follow(
                environment.airflow,
                request.dag_id,
                run_id,
                attendant,
                timeout_s=left,
                paused=lambda: attendant.paused_s,
            )
            if followed.state is None:
                snapshot = _records(environment, triggered)
                _abort(environment, triggered, listener)
                break
    except BaseException:
        # interrupted, or the platform does not answer: nothing may go on running unseen
        with contextlib.suppress(HarnessError):
            _abort(environment, triggered, Silent())
        raise
    seconds = time.monotonic() - clock
    restarted = environment.services.settle(_SETTLE_TIMEOUT_S)
    with evidence.writing(request.directory):
        return _collect(
            environment,
            project,
            request,
            triggered,
            series,
            before,
            started=started,
            seconds=seconds,
            snapshot=snapshot,
            registry=registry,
            restarted=restarted,
        )


def _collect(
    environment: EnvironmentPort,
    project: ProjectPort,
    request: RunRequest,
    triggered: Triggered,
    series: Sequence[Series],
    before: _Before,
    *,
    started: datetime.datetime,
    seconds: float,
    snapshot: list[tuple[str, str, TaskRecord]] | None,
    registry: RegistryPort | None,
    restarted: bool,
) -> Run:
    folder = Folder(request.directory)
    records = _records(environment, triggered)
    tasks, logs = evidence.collect_tasks(environment, request.dag_id, records, folder)
    named = [_add_suffix(record, suffix) for _, suffix, record in records]
    ips = [address for record in named for address in record.result.addresses]
    # as the DAG calls them, whichever of its runs they are of
    pod_tasks = list(dict.fromkeys(record.task_id for _, _, record in records if record.result.image))
    with_credentials: list[str] = []
    sent = evidence.collect_sent(environment, project, before.receipts, ips, folder, with_credentials)
    objects = evidence.collect_objects(environment, project.bucket, before.objects, folder, with_credentials)
    metadata.write(environment.services.documents(project.name, triggered.latest_document).documents, folder)
    notified = [one for one in environment.services.notifications(project.name) if one.id not in before.notifications]
    notifications.write(notified, request.directory)
    refusals.write(refusal_causes.collect(named, environment.services.refusals), request.directory)
    state = _state([str(environment.airflow.run(request.dag_id, run_id).state) for run_id in triggered.run_ids])
    if snapshot is not None:
        state = "failed"
    cause = diagnosis.diagnose(
        [_add_suffix(record, suffix) for _, suffix, record in snapshot] if snapshot is not None else named,
        state,
        logs=logs,
        held=_look_up_missing_images(named, registry),
        aborted_after_s=request.timeout_s if snapshot is not None else None,
        dag_id=request.dag_id,
    )
    answered = refusal_causes.explain(cause, named, logs, environment.services.refusals)
    lost = lost_files.collect_findings(environment.cluster.api, named)
    found = tuple(
        dict.fromkeys(
            (
                *([triggered.finding] if triggered.finding else []),
                *findings.collect_findings(named, state, objects, len(sent)),
                *sent_segmentations.collect_findings(sent, series),
                *findings.find_ignored_arguments(request.given_arguments, named),
                *releases.find_archive_only(_pullable(request.images, tasks, registry), platform=request.platform),
                *source_geometry.collect_findings(series, notices.read(logs, profiles.load(request.platform).version)),
                *evidence.find_credentials(with_credentials),
                *lost,
                *scrapes.collect(environment, project, triggered.run_ids, folder),
                *findings.find_without_input(named, request.input_readers),
                *releases.collect_findings(
                    named, platform=request.platform, run_ids=triggered.run_ids, pod_tasks=pod_tasks
                ),
                *request.findings,
                *([_RESTARTED] if restarted else []),
            )
        )
    )
    commands = findings.find_ignored_arguments(request.given_arguments, named, releases.COMMANDS)
    losing = [*commands, *(finding for finding in found if RULES[finding.rule].loses_output)]
    # a service's refusal is not the fault of an earlier task
    if cause and answered and answered.summary == cause.summary:
        answered = earlier_tasks.explain(answered, named, losing, request.platform)
    cause = lost_files.add_hint(answered, lost)
    cause = source_geometry.add_given_names(cause, series)
    run = Run(
        dag_id=request.dag_id,
        run_id=triggered.run_ids[0],
        state=state,
        platform=request.platform,
        cluster=request.cluster,
        form=REDACTOR.value(triggered.form),
        started=started.isoformat(timespec="milliseconds"),
        seconds=round(seconds, 3),
        tasks=tuple(tasks),
        sent=SentObjects(sent, series, request.directory),
        objects=StoredObjects(objects, request.directory),
        findings=tuple(finding for finding in found if finding.concerns(request.platform)),
        on_other_releases=tuple(finding for finding in found if not finding.concerns(request.platform)),
        cause=cause,
        directory=request.directory,
        run_ids=triggered.run_ids,
        images=_images(request.images, tasks),
        started_by=triggered.started_by,
    )
    course.write(request.directory, course.make_course(named, series, cause, logs))
    evidence.write(run)
    report.write(run, pictures=request.pictures)
    return run


def _images(images: Sequence[ImagePort], tasks: Sequence[TaskResult]) -> tuple[RunImage, ...]:
    return tuple(
        RunImage(
            image.reference,
            image.origin,
            image.config_digest,
            tuple(image.layers),
            tuple(task.task_id for task in tasks if task.image == image.reference),
            tuple(image.replaced),
        )
        for image in images
    )


def _pullable(
    images: Sequence[ImagePort],
    tasks: Sequence[TaskResult],
    registry: RegistryPort | None,
) -> list[releases.Pullable]:
    """Return what the platform's registry has under the name of each image that ran; empty if it does not answer."""
    found: list[releases.Pullable] = []
    if registry is None:
        return found
    ran = {task.image for task in tasks}
    for image in images:
        # a digest is pulled from where it is
        if image.reference not in ran or split_reference(image.reference)[1].startswith("sha256:"):
            continue
        # only a finding depends on it: omit it without the registry's answer
        with contextlib.suppress(HarnessError, OSError):
            found.append(releases.Pullable(image.reference, image.config_digest, registry.digests(image.reference)))
    return found


def _records(environment: EnvironmentPort, triggered: Triggered) -> list[tuple[str, str, TaskRecord]]:
    """Return (run id, suffix for the task id, record) of every task; the suffix distinguishes a workflow's DAG runs."""
    found = []
    count = len(triggered.run_ids)
    for number, run_id in enumerate(triggered.run_ids, 1):
        suffix = f" [{number}/{count}]" if count > 1 else ""
        for record in environment.airflow.run(triggered.dag_id, run_id).tasks:
            # before anything is cut to a length that leaves a part of a password
            found.append((run_id, suffix, TaskRecord.from_json(REDACTOR.value(record.as_json()))))
    return found


def _add_suffix(record: TaskRecord, suffix: str) -> TaskRecord:
    upstream = [f"{name}{suffix}" for name in record.upstream]
    return dataclasses.replace(record, task_id=f"{record.task_id}{suffix}", upstream=upstream)


def _state(states: Sequence[str]) -> str:
    """Return one state for all DAG runs of a workflow: success only when all succeeded."""
    return next((state for state in states if state != "success"), "success")


def _abort(environment: EnvironmentPort, triggered: Triggered, listener: Listener) -> None:
    """Stop all DAG runs that have not ended, and wait until they have."""
    deadline = time.monotonic() + _ABORT_TIMEOUT_S
    for run_id in triggered.run_ids:
        if environment.airflow.run(triggered.dag_id, run_id).state in {"success", "failed"}:
            continue
        listener.say(f"aborting {run_id}")
        environment.airflow.abort(triggered.dag_id, run_id)
        left = max(0.001, deadline - time.monotonic())
        follow(environment.airflow, triggered.dag_id, run_id, Silent(), timeout_s=left)


def _look_up_missing_images(records: Sequence[TaskRecord], registry: RegistryPort | None) -> dict[str, HeldRepository]:
    found: dict[str, HeldRepository] = {}
    if registry is None:
        return found
    for record in records:
        image = record.result.image
        if record.result.reason in reasons.PULL_FAILED and "/" in image:
            repository = split_reference(image)[0]
            # only an addition to the message: without the registry's answer the image is named all the same
            with contextlib.suppress(HarnessError, OSError):
                found[image] = registry.look_up(repository)
    return found
