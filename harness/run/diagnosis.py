"""Find one cause that an author can act on, from what Airflow and the containers left. Pure functions.

A task record is Airflow's view of a task instance; its outcome is the operator's report about the pod.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from harness.common.references import split_reference
from harness.common.repositories import HeldRepository
from harness.extension.edk import ADVICE as DELIVER_BY_EDK
from harness.kube.pullsecrets import ADVICE
from harness.platform.import_advice import advise_on_import
from harness.run import log_lines
from harness.run.advice import advise, advise_on_reason
from harness.run.results import Cause
from harness.settings import how_to_set
from harness.wire import edk, reasons
from harness.wire.outcome import Outcome
from harness.wire.records import TaskRecord

# a line of a log may hold a whole document; a cause is read in one glance
_LONGEST_LINE = 300
_SIGNALS = {
    129: "SIGHUP",
    130: "SIGINT",
    132: "SIGILL",
    134: "SIGABRT",
    135: "SIGBUS",
    136: "SIGFPE",
    137: "SIGKILL",
    139: "SIGSEGV",
    143: "SIGTERM",
}


def diagnose(
    tasks: Sequence[TaskRecord],
    state: str,
    *,
    logs: Mapping[str, str] | None = None,
    held: Mapping[str, HeldRepository] | None = None,
    aborted_after_s: float | None = None,
    dag_id: str = "",
) -> Cause | None:
    """Return why a run did not succeed.

    Args:
        tasks: records of all tasks.
        state: final state of the run.
        logs: Airflow's task logs by task id.
        held: the registry's repositories, by the image references that could not be pulled.
        aborted_after_s: the run was aborted by the harness after so many seconds.
        dag_id: for messages.

    Returns:
        ``None`` for a run that succeeded.
    """
    logs = logs or {}
    failed = _find_failed(tasks)
    if aborted_after_s is not None:
        return _deadline(tasks, aborted_after_s)
    if state == "success":
        return None
    if failed:
        return find_task_cause(failed[0], log=logs.get(failed[0].task_id, ""), held=held or {})
    if not tasks:
        return Cause(None, f"DAG {dag_id or 'of this run'} has no tasks", fix="create its operators with dag=dag")
    return _without_failed_task(tasks, state)


def _find_failed(tasks: Sequence[TaskRecord]) -> list[TaskRecord]:
    """Return tasks that failed themselves, in the order of their ends; the first is the root of the failure."""
    return sorted((task for task in tasks if task.state == "failed"), key=lambda task: task.end or "~")


def find_task_cause(task: TaskRecord, *, log: str, held: Mapping[str, HeldRepository]) -> Cause:
    """Return why one failed task failed."""
    outcome = task.result
    lines = outcome.log_tail or log.splitlines()
    if outcome.reason in reasons.PULL_FAILED | reasons.START_FAILED:
        return _image(task, outcome, held.get(outcome.image))
    if outcome.reason == reasons.EVICTED:
        return _explain_eviction(task, outcome, lines)
    if outcome.reason == reasons.OUT_OF_MEMORY:
        return _memory(task, outcome, lines)
    if outcome.reason == reasons.TIMEOUT or (task.outcome is None and "AirflowTaskTimeout" in log):
        return _timeout(task, outcome, lines)
    if outcome.exit_code:
        return _exit_code(task, outcome.exit_code, lines)
    return _cause_outside(task, outcome, lines, log)


def _image(task: TaskRecord, outcome: Outcome, held: HeldRepository | None) -> Cause:
    image, message = outcome.image, outcome.message
    if outcome.reason in reasons.START_FAILED:
        return Cause(
            task.task_id,
            f"the container of image {image} cannot be started: {log_lines.find_meaningful(message.splitlines())}",
            message,
            "the image needs an ENTRYPOINT or CMD that exists in it and is executable",
        )
    if outcome.reason == reasons.IMAGE_NAME:
        fix = "an image reference is <registry>/<name in lower case>:<tag>; is DEFAULT_REGISTRY part of an f-string?"
        return Cause(task.task_id, f"{image!r} is not a valid image reference", message, fix)
    if outcome.refusal:
        return Cause(task.task_id, outcome.refusal.summary, message, ADVICE)
    repository = split_reference(image)[0]
    summary = f"image {image} cannot be pulled"
    if outcome.unreached:
        fix = f"see why the registry {repository.split('/', 1)[0]} does not answer; `kaapana-harness status`"
        fix = DELIVER_BY_EDK if edk.is_in_registry(image) else fix
        return Cause(task.task_id, f"{summary}: its registry does not answer", message, fix)
    absence = held.explain(image) if held else None
    if absence:
        summary += f": {absence.cause}"
        message = f"{message.rstrip()}\n{absence.others}".strip() if absence.others else message
    if absence and outcome.always_pulled:
        summary += ". This release always asks the registry, and an image that was only in an archive is not in it"
        return Cause(
            task.task_id,
            summary,
            message,
            f"push it: {how_to_set('deliver', 'registry')}, or the registry of the platform",
        )
    step = DELIVER_BY_EDK if edk.is_in_registry(image) else f"push it, or upload it with {how_to_set('deliver', 'tar')}"
    fix = (
        f"{step}: the extension needs a processing container with "
        f'LABEL IMAGE="{repository.rsplit("/", 1)[-1] or image}", and the operator the tag {{KAAPANA_BUILD_VERSION}}'
    )
    return Cause(task.task_id, summary, message, fix)


def _memory(task: TaskRecord, outcome: Outcome, lines: Sequence[str]) -> Cause:
    limit, peak = outcome.memory_limit_bytes, outcome.max_memory_bytes
    parts = ["killed because it used more memory than its limit"]
    if limit:
        parts.append(f"limit {format_mebibytes(limit)}")
    if peak:
        parts.append(f"peak {format_mebibytes(peak)}")
    fix = "give the operator more: ram_mem_mb (request) and ram_mem_mb_lmt (limit), in MiB; /dev/shm counts too"
    return Cause(task.task_id, ", ".join(parts), log_lines.tail(lines) or outcome.message, fix)


def _explain_eviction(task: TaskRecord, outcome: Outcome, lines: Sequence[str]) -> Cause:
    summary = outcome.message
    fix = "the node was drained, or ran short of memory or disk (`kubectl describe node`): run it again"
    if outcome.low_disk:
        summary = f"was killed because the disk ran full: {summary}"
        fix = (
            "write less, or remove intermediate files; `docker system df` shows what else fills the disk, "
            f"{how_to_set('disk_reserve')} says how much of it stays free"
        )
    return Cause(task.task_id, summary, log_lines.tail(lines), fix)


def _timeout(task: TaskRecord, outcome: Outcome, lines: Sequence[str]) -> Cause:
    seconds = seconds_between(outcome.started or task.start, outcome.finished or task.end)
    summary = "ran longer than its execution_timeout"
    if outcome.timeout_s is not None:
        summary += f" of {outcome.timeout_s:g} s and was killed"
    else:
        summary += " and was killed" + (f" after {seconds:.0f} s" if seconds is not None else "")
    last = log_lines.find_meaningful(lines)
    summary += f"; its last line was: {last[:_LONGEST_LINE]}" if last else "; it had not logged anything"
    fix = "give the operator a longer execution_timeout, or find what the container waits for"
    return Cause(task.task_id, summary, log_lines.tail(lines), fix)


def _exit_code(task: TaskRecord, code: int, lines: Sequence[str]) -> Cause:
    last = log_lines.find_meaningful(lines)
    summary = f"exit code {code}"
    if code in _SIGNALS:
        summary += f" ({_SIGNALS[code]})"
    summary += f": {last[:_LONGEST_LINE]}" if last else ", and the container logged nothing"
    fix = advise("\n".join(map(log_lines.clean, lines)), task.operator)
    if not fix and code == 127:
        fix = "a command that the container starts does not exist in the image: look at ENTRYPOINT, CMD and the scripts"
    if not fix and code == 137:
        fix = "it was killed from outside; if memory was short, raise ram_mem_mb and ram_mem_mb_lmt"
    return Cause(task.task_id, summary, log_lines.tail(lines), fix)


def _cause_outside(task: TaskRecord, outcome: Outcome, lines: Sequence[str], log: str) -> Cause:
    """Return the cause of a failure outside of a container: a Python operator, a rejected pod, an operator's code."""
    message, reason = outcome.message.strip(), outcome.reason
    last = message.splitlines()[0] if message else log_lines.find_meaningful(lines)
    summary = f"{reason}: {last}" if reason and reason not in {reasons.ERROR, last} else last
    fix = advise_on_reason(reason) or advise(f"{message}\n{log}", task.operator)
    detail = log_lines.tail(lines) or message
    return Cause(task.task_id, summary or "failed without a message", detail, fix)


def _deadline(tasks: Sequence[TaskRecord], seconds: float) -> Cause:
    """Return the cause for a run that the harness aborted at its time limit.

    The abort sets running tasks to failed and waiting ones to skipped (runtime 9.1).
    """
    open_states = {"running", "queued", "scheduled", "up_for_retry", "restarting", "deferred"}
    active = [task for task in tasks if task.state in open_states]
    active = active or [task for task in _find_failed(tasks) if task.start]
    fix = (
        f"raise the limit with timeout_s or {how_to_set('run_timeout')}, or give the operators an execution_timeout "
        "of their own"
    )
    if not active:
        summary = f"the run had not ended after {seconds:.0f} s and was aborted; no task had started"
        return Cause(None, summary, fix="is the platform's scheduler alive? `kaapana-harness status` shows it")
    task = active[-1]
    lines = task.result.log_tail
    last = log_lines.find_meaningful(lines)
    summary = f"still {'running' if task.start else task.state} when the run was aborted after {seconds:.0f} s"
    return Cause(
        task.task_id,
        summary + (f"; its last line was: {last[:_LONGEST_LINE]}" if last else ""),
        log_lines.tail(lines),
        fix,
    )


def _without_failed_task(tasks: Sequence[TaskRecord], state: str) -> Cause:
    """Return the cause for a run that failed although no task did: upstream tasks were skipped or never started."""
    blocked = [task for task in tasks if task.state == "upstream_failed"]
    if blocked:
        by_id = {task.task_id: task for task in tasks}
        roots = sorted(
            {
                parent
                for task in blocked
                for parent in task.upstream
                if parent in by_id and by_id[parent].state not in {"success", "upstream_failed"}
            }
        )
        states = ", ".join(f"{name} ({by_id[name].state})" for name in roots) or "unknown"
        summary = f"could not start: of its upstream tasks these did not succeed: {states}"
        fix = f"its trigger rule is {blocked[0].trigger_rule or 'all_success'}"
        return Cause(blocked[0].task_id, summary, fix=fix)
    states = ", ".join(f"{task.task_id} {task.state or 'not started'}" for task in tasks)
    summary = f"the run ended {state} although no task failed"
    return Cause(None, summary, states, "the DAG may have a dagrun_timeout, or the run was marked by hand")


def make_no_run_cause(dag_id: str, *, import_errors: Mapping[str, str], job_states: Sequence[str]) -> Cause:
    """Return why a workflow that was accepted never became a DAG run."""
    if import_errors:
        return make_import_cause(import_errors)
    if job_states:
        summary = (
            f"the workflow's job of {dag_id} is {', '.join(sorted(set(job_states)))}, but Airflow has no run of it"
        )
        return Cause(None, summary, fix="is the DAG still installed, and is it not paused?")
    summary = f"the platform accepted the workflow of {dag_id} but made no job of it"
    fix = "with single_execution the data form needs a dataset; the dataset must exist in the project"
    return Cause(None, summary, fix=fix)


def make_import_cause(import_errors: Mapping[str, str]) -> Cause:
    """Return the cause for a DAG file that Airflow could not import."""
    path, text = next(iter(sorted(import_errors.items())))
    lines = text.splitlines()
    return Cause(
        None,
        f"DAG file {path} does not import: {log_lines.find_meaningful(lines)}",
        log_lines.tail(lines),
        advise_on_import(text),
    )


def format_mebibytes(size: int) -> str:
    """Return a size in MiB for a message."""
    return f"{size / 2**20:.0f} MiB"


def seconds_between(start: Any, end: Any) -> float | None:
    """Return the seconds between two ISO 8601 times, ``None`` when one is missing or not a time."""
    try:
        return (_time(str(end)) - _time(str(start))).total_seconds()
    except (ValueError, TypeError):
        return None


def seconds_since_epoch(time: Any) -> float | None:
    """Return an ISO 8601 time in seconds since the epoch, ``None`` when it is missing or not a time."""
    try:
        return _time(str(time)).timestamp()
    except ValueError:
        return None


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
