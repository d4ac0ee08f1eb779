"""A task that ended well without its files is the cause of a later one's missing input."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from fake_platform import FakeEnvironment, FakeProject, outcome, run_request, task

from harness.findings import running
from harness.run import earlier_tasks
from harness.run.diagnosis import seconds_since_epoch
from harness.run.execute import execute
from harness.run.findings import GivenArgument
from harness.run.results import Cause
from harness.wire.records import TaskRecord
from harness.wire.service_refusals import RefusedRequest

NO_FILE = "no file to upload: 0 file(s) found in 1 folder(s), none passes the whitelist .html"
LOST = running.WRITTEN_OUTSIDE.report("report", "wrote /output/report.html (9 bytes): lost with the container")


def done(name: str, *reads: str, state: str = "success", **fields: Any) -> TaskRecord:
    """A task that reads other tasks' folders; each writes to one of its name."""
    upstream = fields.pop("upstream", list(reads))
    reason = "Completed" if state == "success" else "Error"
    published = outcome(reason, reads=list(reads), writes=name, **fields)
    return task(name, state, upstream=upstream, outcome=published)


TASKS = [done("get"), done("report", "get"), done("zip", "report"), done("put", "zip", state="failed", exit_code=1)]


def explained(summary: str, tasks: list[TaskRecord] = TASKS, *, log: list[str] | None = None) -> str:
    """The cause of a run whose last task failed, by default with this summary as the last line of its log."""
    *before, last = tasks
    log = ["reading", summary] if log is None else log
    last = dataclasses.replace(last, outcome=dataclasses.replace(last.result, log_tail=log))
    cause = earlier_tasks.explain(Cause("put", f"exit code 1: {summary}"), [*before, last], [LOST], "0.6.0")
    assert cause is not None
    return cause.line


@pytest.mark.parametrize(
    "summary",
    [
        NO_FILE,
        "no files processed: nothing to zip in any report folder",
        "FileNotFoundError: [Errno 2] No such file or directory: '/kaapana/mounted/data/r/report/report.html'",
        "RuntimeError: the input folder is empty",
        "ValueError: missing input /data/report",
        "No DICOM files found in /data",
        "/data/report does not exist",
    ],
)
def test_missing_input_goes_back_to_the_task_that_lost_it(summary: str) -> None:
    assert explained(summary) == (
        "task report: wrote /output/report.html (9 bytes): lost with the container; it succeeded, and then "
        f"task put: exit code 1: {summary}"
    )


@pytest.mark.parametrize("summary", ["KeyError: 'COLOUR'", "ValueError: the model has no weights", "not enough memory"])
def test_another_failure_stays_where_it_was(summary: str) -> None:
    assert explained(summary) == f"task put: exit code 1: {summary}"


@pytest.mark.parametrize(
    "summary",
    ["image r.example/a:1 cannot be pulled: unauthorized: pull secret nope does not exist", "the pod has no input"],
)
def test_only_what_the_container_wrote_itself_counts(summary: str) -> None:
    assert explained(summary, log=[]) == f"task put: exit code 1: {summary}"
    assert explained(summary, log=["ValueError: broken header"]) == f"task put: exit code 1: {summary}"


def test_a_task_that_the_failed_one_does_not_read_from_is_not_blamed() -> None:
    tasks = [done("report"), done("get"), done("put", "get", state="failed", upstream=["get", "report"])]
    assert explained(NO_FILE, tasks).startswith("task put")


def test_without_records_of_folders_the_order_of_the_tasks_decides() -> None:
    tasks = [done("report"), task("put", "failed", upstream=["report"], outcome=outcome("Error"))]
    assert explained(NO_FILE, tasks).startswith("task report: wrote")


def test_a_task_that_failed_itself_is_a_cause_of_its_own() -> None:
    tasks = [done("report", state="failed"), done("put", "report", state="failed")]
    assert explained(NO_FILE, tasks).startswith("task put")


def run_on(platform: str, folder: Path) -> Any:
    report = done("generate-report", arguments=["cmds", "annotations"])
    put = done("put", "generate-report", state="failed", exit_code=1, log_tail=[NO_FILE])
    given = [GivenArgument("cmds", "KaapanaBaseOperator", "generate-report", "files/dag_x.py", 93)]
    request = run_request("otsus-method", folder, platform=platform, given_arguments=given)
    return execute(FakeEnvironment([report, put], "failed"), FakeProject(), request)


def test_ignored_cmds_are_the_cause_on_a_release_that_ignores_them(tmp_path: Path) -> None:
    run = run_on("0.6.0", tmp_path / "run")
    assert run.cause.line == (
        "task generate-report: 0.6.0, 0.6.1 ignore `cmds` of `generate-report` (files/dag_x.py:93); it succeeded, "
        f"and then task put: exit code 1: {NO_FILE}"
    )
    assert "ENTRYPOINT" in run.cause.fix
    assert [finding.rule for finding in run.findings] == ["ignored-argument"]


def test_on_another_platform_they_are_only_a_finding_about_other_releases(tmp_path: Path) -> None:
    run = run_on("documented", tmp_path / "run")
    assert run.cause.line == f"task put: exit code 1: {NO_FILE}"
    assert run.findings == ()
    assert {finding.rule for finding in run.on_other_releases} == {"ignored-argument"}


def test_a_services_refusal_goes_back_to_no_earlier_task(tmp_path: Path) -> None:
    line = "minio.error.S3Error: S3 operation failed; code: NoSuchBucket, message: The bucket does not exist"
    report = done("report", arguments=["cmds"])
    put = done("put", "report", state="failed", exit_code=1, log_tail=[line])
    environment = FakeEnvironment([report, put], "failed")
    at = seconds_since_epoch("2026-11-24T20:00:04+00:00") or 0.0
    asked = RefusedRequest("minio-service", 404, "PUT", "/none/x", "The bucket does not exist", "10.1.0.7", at)
    environment.services.refused = [dataclasses.replace(asked, code="NoSuchBucket")]
    run = execute(environment, FakeProject(), run_request("otsus-method", tmp_path / "run", platform="0.6.0"))
    assert run.cause is not None
    assert run.cause.line.startswith("task put: MinIO answered 404: NoSuchBucket: The bucket does not exist")
