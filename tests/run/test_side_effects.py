"""What a run leaves beside its results: metadata documents, notifications, refused requests."""

from __future__ import annotations

import dataclasses
import secrets
from pathlib import Path
from typing import Any

import pytest
from fake_platform import FakeEnvironment, FakeProject, outcome, run_request, task

from harness.checks.questions import Question, observe
from harness.common.redaction import REDACTOR
from harness.data.series import Series
from harness.errors import CheckError
from harness.run import evidence
from harness.run.diagnosis import seconds_since_epoch
from harness.run.execute import execute
from harness.run.results import Run
from harness.wire.index_documents import IndexedDocument
from harness.wire.notifications import Notification
from harness.wire.service_refusals import RefusedRequest

POD = "10.1.0.7"
END = seconds_since_epoch("2026-11-24T20:00:05+00:00") or 0.0
MISSING = RefusedRequest("minio-service", 404, "GET", "/bucket/x", "no such key", POD, END - 1, "NoSuchKey", True)
DENIED = RefusedRequest("opensearch-service", 403, "PUT", "/project_x/_doc/1", "no permissions", POD, END - 2)
DONE = Notification("2", "2026-11-24T20:00:04+00:00", "done", "3 series", "otsus-method", None, "/results", ["u"])
FIELD = "00080060 Modality_keyword"


def run(folder: Path, *, series: Series | None = None, **services: Any) -> Run:
    environment = FakeEnvironment([task("otsus-method", outcome=outcome("Completed", exit_code=0))])
    for name, value in services.items():
        setattr(environment.services, name, value)
    if series is not None:
        name_of_dataset = {"dataset_name": {"type": "string", "oneOf": []}}
        environment.services.forms["otsus-method"]["data_form"] = {"type": "object", "properties": name_of_dataset}
    execute(environment, FakeProject(), run_request("otsus-method", folder, dataset=series))
    # what a test asks is read from the evidence alone
    return evidence.read(folder)


def test_documents_that_were_written_since_the_start_are_evidence(tmp_path: Path, small_series: Series) -> None:
    written = [IndexedDocument("1.2.3", {FIELD: "MR", "volume_float": 1.5}), IndexedDocument("../a", {})]
    # the fake platform hands out documents only when it is asked for those behind the upload of the input
    found = run(tmp_path, series=small_series, indexed=written).metadata
    assert set(found) == {"1.2.3", "../a"}
    assert small_series in found
    document = found[small_series]
    assert document.at(FIELD) == "MR"
    assert document.matches({"volume_float": 1.501}, partial=True, rel=0.01)
    assert "9" not in found
    with pytest.raises(CheckError, match=r"the run wrote no metadata document '9'") as caught:
        found["9"]
    assert "1.2.3" in caught.value.last_seen
    assert sorted(path.name for path in (tmp_path / "metadata").iterdir()) == ["1.2.3.json", "a.json"]


def test_notifications_that_were_sent_by_the_run_are_evidence(tmp_path: Path) -> None:
    earlier = Notification("1", title="earlier")
    found = run(tmp_path, notified=[earlier], notified_later=[DONE]).notifications
    assert list(found) == [DONE]
    assert found.one() == found.one("done") == found.one("3 series") == DONE
    assert not found.nothing.ok
    assert found.nothing.summary == "1 unwanted, the first is 'done' (otsus-method): '3 series', link /results"
    with pytest.raises(CheckError, match="no notification with 'failed' sent where exactly one is expected") as caught:
        found.one("failed")
    assert "'done' (otsus-method)" in caught.value.last_seen


def test_a_run_without_notifications_has_no_notification_file(tmp_path: Path) -> None:
    found = run(tmp_path, notified=[DONE])
    assert found.notifications.nothing
    assert found.refused.nothing
    assert len(found.metadata) == 0
    assert not (tmp_path / "notifications.json").exists()


def test_requests_that_were_refused_to_the_runs_pods_are_evidence(tmp_path: Path) -> None:
    others = [dataclasses.replace(DENIED, peer="10.1.0.8"), dataclasses.replace(DENIED, at=END - 3600)]
    found = run(tmp_path, refused=[MISSING, DENIED, *others]).refused
    assert [(one.task_id, one.request) for one in found] == [("otsus-method", DENIED), ("otsus-method", MISSING)]
    assert found.nothing.details == (
        "OpenSearch answered 403: no permissions (PUT /project_x/_doc/1) to task otsus-method",
        "MinIO answered 404: NoSuchKey: no such key (GET /bucket/x) to task otsus-method, after which the pod went on",
    )
    assert len(found.only_probes.details) == 1


def test_an_existence_probe_counts_as_the_only_refusal(tmp_path: Path) -> None:
    found = run(tmp_path, refused=[MISSING]).refused
    assert not found.nothing.ok
    assert found.only_probes


def test_none_of_it_shows_a_credential(tmp_path: Path) -> None:
    secret = secrets.token_hex(16)
    REDACTOR.add(secret)
    run(
        tmp_path,
        indexed=[IndexedDocument(secret, {"a": secret})],
        notified_later=[dataclasses.replace(DONE, description=secret)],
        refused=[dataclasses.replace(DENIED, reason=secret)],
    )
    texts = [path.read_text() for path in tmp_path.rglob("*.json")]
    assert len(texts) >= 4
    assert not [text for text in texts if secret in text]
    assert not list(tmp_path.rglob(f"*{secret}*"))


def test_observers_receive_these_questions(tmp_path: Path) -> None:
    found = run(tmp_path, notified_later=[DONE], indexed=[IndexedDocument("1.2.3", {"a": 1})])
    seen: list[Question] = []
    with observe(seen.append):
        found.notifications.one("done")
        assert found.refused.nothing
        assert found.metadata["1.2.3"].matches({"a": 1})
    assert [(question.file.relative_to(tmp_path).as_posix(), question.text, question.answer) for question in seen] == [
        ("notifications.json", "notification", "'done' (otsus-method): '3 series', link /results"),
        ("refused.json", "nothing refused", "yes: no requests refused"),
        ("metadata/1.2.3.json", "metadata document 1.2.3 matches", "yes: 1 values compared"),
    ]
