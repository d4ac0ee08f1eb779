"""Requests that services and the network refused to the pod of a failed task."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from fake_platform import FakeEnvironment, FakeProject, outcome, run_request, task

from harness.run import refusal_causes
from harness.run.diagnosis import find_task_cause, seconds_since_epoch
from harness.run.execute import execute
from harness.run.results import Cause
from harness.wire.name_lookups import UnresolvedName
from harness.wire.service_refusals import RefusedRequest

POD = "10.1.0.7"
END = seconds_since_epoch("2026-11-24T20:00:05+00:00") or 0.0
UUID_WANTED = "AII failed: project_id must be a UUID, got 'my-project'"
NOTIFICATION = RefusedRequest("notification-service", 502, "POST", "/v1/my-project", UUID_WANTED, POD, END - 1)
WRAPPED = ["notify failed", "RuntimeError: 1 of 1 elements failed: 1.2.826"]


def explained(lines: list[str], *requests: RefusedRequest, **fields: Any) -> Cause:
    ended = outcome(**{"reason": "Error", "exit_code": 1, "log_tail": lines, **fields})
    record = task("notify", "failed", outcome=ended)
    cause = find_task_cause(record, log="", held={})
    found = refusal_causes.explain(cause, [record], {}, lambda peers: [item for item in requests if item.peer in peers])
    assert found is not None
    return found


def test_a_refusal_right_before_the_end_comes_first_then_what_the_program_made_of_it() -> None:
    cause = explained(WRAPPED, NOTIFICATION)
    assert cause.line == (
        f"task notify: the notification service answered 502: {UUID_WANTED} (POST /v1/my-project); "
        "then exit code 1: RuntimeError: 1 of 1 elements failed: 1.2.826"
    )
    assert "project_form" in cause.fix


@pytest.mark.parametrize(
    "line",
    [
        "requests.exceptions.HTTPError: 502 Server Error: Bad Gateway for url: http://notification-service/v1/x",
        "httpx.HTTPStatusError: Server error '502 Bad Gateway' for url",
        "RuntimeError: notification failed with HTTP status 502",
        f"ValueError: {UUID_WANTED}",
    ],
)
def test_a_refusal_that_the_error_names_is_the_cause_whatever_was_asked_since(line: str) -> None:
    earlier = dataclasses.replace(NOTIFICATION, at=END - 3, went_on=True)
    assert explained(["Traceback (most recent call last):", '  File "x.py", line 1', line], earlier).summary.startswith(
        "the notification service answered 502"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"went_on": True},
        {"status": 404, "reason": "not there"},
        {"at": END - 20},
    ],
    ids=["the program went on", "it asked whether something is there", "long before the end"],
)
def test_a_refusal_that_the_program_lived_with_is_only_something_that_was_seen(change: dict[str, Any]) -> None:
    begun = {"started": "2026-11-24T19:00:00+00:00"}
    cause = explained(["KeyError: 'THRESHOLD'"], dataclasses.replace(NOTIFICATION, **change), **begun)
    assert cause.summary == "exit code 1: KeyError: 'THRESHOLD'"
    assert "the notification service answered" in cause.detail.splitlines()[-1]


HANDLED = [
    "Traceback (most recent call last):",
    "requests.exceptions.HTTPError: 502 Server Error: Bad Gateway for url: http://notification-service/v1/x",
    "going on",
    "Traceback (most recent call last):",
    "KeyError: 'THRESHOLD'",
]


@pytest.mark.parametrize("went_on", [True, False])
def test_an_exception_that_was_handled_counts_only_where_nothing_better_came(went_on: bool) -> None:
    cause = explained(HANDLED, dataclasses.replace(NOTIFICATION, went_on=went_on))
    assert cause.summary.startswith("the notification service") is not went_on


def test_an_existence_probe_does_not_hide_an_earlier_refusal() -> None:
    probe = RefusedRequest("aii-service", 404, "GET", "/projects/x", "not there", POD, END)
    assert explained(WRAPPED, NOTIFICATION, probe).summary.startswith("the notification service answered 502")


def test_another_pods_refusal_at_the_same_address_does_not_count() -> None:
    for at in (END - 60, END + 60):
        assert "answered" not in str(explained(WRAPPED, dataclasses.replace(NOTIFICATION, at=at)))
    assert "answered" not in str(explained(WRAPPED, dataclasses.replace(NOTIFICATION, peer="10.1.0.8")))


def test_the_address_on_another_network_of_the_pod_counts_too() -> None:
    store = RefusedRequest("ctp-dicom-service", 0xC000, "C-STORE", "1.2.3 to P", "the dataset ends", "10.9.0.3", END)
    cause = explained(["not sent"], store, pod_ips=[POD, "10.9.0.3"])
    assert cause.summary.startswith("the DICOM receiver answered 0xC000: the dataset ends (C-STORE 1.2.3 to P); then")


def test_minio_is_named_with_its_error_and_the_next_step() -> None:
    denied = RefusedRequest(
        "minio-service", 403, "PUT", "/other/x", "Access Denied.", POD, END - 4, "AccessDenied", True
    )
    cause = explained(["minio.error.S3Error: S3 operation failed; code: AccessDenied, message: Access Denied."], denied)
    assert cause.summary.startswith("MinIO answered 403: AccessDenied: Access Denied. (PUT /other/x); then exit code 1")
    assert "bucket" in cause.fix


def test_memory_and_images_are_causes_of_their_own() -> None:
    cause = explained(WRAPPED, NOTIFICATION, reason="OOMKilled", exit_code=137)
    assert "answered" not in cause.summary


@pytest.mark.parametrize(
    ("name", "first", "fix"),
    [
        (
            UnresolvedName("huggingface.co", label="network-access-external-ips"),
            "huggingface.co does not resolve: no Service has this name, and without the label "
            "network-access-external-ips=true a pod does not reach the internet",
            "bring data and weights in the image",
        ),
        (
            UnresolvedName("ctp-dicom-service.services.svc", True, "network-access-ctp"),
            "ctp-dicom-service.services.svc is closed to this pod: it has no label network-access-ctp=true",
            'labels={"network-access-ctp": "true"}',
        ),
    ],
)
def test_a_name_that_does_not_resolve_comes_first(name: UnresolvedName, first: str, fix: str) -> None:
    lines = ["socket.gaierror: [Errno -2] Name or service not known", "RuntimeError: no weights"]
    cause = explained(lines, unresolved=(UnresolvedName("telemetry.example"), name))
    assert cause.summary == f"{first}; then exit code 1: RuntimeError: no weights"
    assert fix in cause.fix


def test_a_name_that_the_error_does_not_speak_of_is_only_something_that_was_seen() -> None:
    cause = explained(["KeyError: 'A'"], unresolved=(UnresolvedName("telemetry.example"),))
    assert cause.summary == "exit code 1: KeyError: 'A'"
    assert cause.detail.endswith("telemetry.example does not resolve: no Service has this name")


def test_a_run_asks_the_services_what_they_refused_to_its_pods(tmp_path: Path) -> None:
    failed = task("notify", "failed", outcome=outcome("Error", exit_code=1, log_tail=WRAPPED))
    environment = FakeEnvironment([failed], "failed")
    environment.services.refused = [NOTIFICATION]
    run = execute(environment, FakeProject(), run_request("otsus-method", tmp_path / "out"))
    assert run.cause is not None
    assert run.cause.summary.startswith("the notification service answered 502")
