from __future__ import annotations

import base64
import json
import queue
import time
from collections.abc import Iterator
from typing import Any

import pytest

from harness.incluster.services.objecttrace import ObjectRequest, read_entry
from harness.incluster.services.objectwatch import ObjectWatch
from harness.incluster.services.refusals import RefusalLog, read_reason
from harness.wire.service_refusals import RefusedRequest
from tests.incluster.services import dicom_samples
from tests.incluster.services.running_services import RunningServices, bearer
from tests.incluster.services.test_receiver import RawStore, body_of
from tests.waiting import until

HERE = "127.0.0.1"


def refused(platform: RunningServices, since: float) -> list[RefusedRequest]:
    found = platform.control.get("/refusals", params={"peer": f"10.9.9.9,{HERE}"}).json()
    return [request for request in map(RefusedRequest.from_json, found) if request.at >= since]


def test_a_refusal_is_remembered_with_who_asked_what_and_why(platform: RunningServices) -> None:
    since = time.time()
    platform.notification.post("/notifications/v1/my-project?secret=1", json={"title": "t", "description": "d"})
    platform.keycloak.post("/auth/realms/kaapana/protocol/openid-connect/token", data={"grant_type": "password"})
    platform.aii.get("/projects/missing")
    with platform.open_search("no-token") as index:
        index.get("/project_x/_doc/1")
    found = refused(platform, since)
    assert [(item.service, item.status, item.method, item.route, item.peer) for item in found] == [
        ("notification-service", 502, "POST", "/notifications/v1/my-project", HERE),
        ("keycloak-external-service", 401, "POST", "/auth/realms/kaapana/protocol/openid-connect/token", HERE),
        ("aii-service", 404, "GET", "/projects/missing", HERE),
        ("opensearch-service", 401, "GET", "/project_x/_doc/1", HERE),
    ]
    assert "project_id must be a UUID, got 'my-project'" in found[0].reason
    assert found[1].code == "unauthorized_client"
    assert found[3].code == "security_exception"


def test_a_good_answer_afterwards_is_noted_with_it(platform: RunningServices, project: dict[str, Any]) -> None:
    since = time.time()
    platform.aii.get("/projects/missing")
    assert [item.went_on for item in refused(platform, since)] == [False]
    assert platform.aii.get(f"/projects/{project['name']}").status_code == 200
    assert [item.went_on for item in refused(platform, since)] == [True]


def test_the_control_interface_is_not_asked_by_pods_and_needs_the_token(platform: RunningServices) -> None:
    since = time.time()
    assert platform.control.get("/receipts", params={"since": "no time"}).status_code == 422
    assert platform.control.get("/refusals", headers=bearer("wrong")).status_code == 401
    assert refused(platform, since) == []


def test_an_object_that_the_receiver_refuses_is_remembered(platform: RunningServices) -> None:
    since = time.time()
    raw = RawStore(platform, "kp-admin")
    try:
        raw.send(body_of(dicom_samples.series(1)[0]), "1.2.3")
    finally:
        raw.association.release()
    (found,) = refused(platform, since)
    assert (found.service, found.status, found.method) == ("ctp-dicom-service", 0xA900, "C-STORE")
    assert found.route == "1.2.3 to kp-admin"
    assert "does not match" in found.reason


def test_refusals_of_minio_are_remembered_when_they_are_asked_for(platform: RunningServices) -> None:
    since = time.time()
    platform.store.ask(HERE, "/other/x", 403)
    (found,) = refused(platform, since)
    assert (found.service, found.status, found.route, found.code) == ("minio-service", 403, "/other/x", "AccessDenied")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"detail": "AII failed: no"}', ("", "AII failed: no")),
        (b'{"detail": [{"loc": ["title"], "msg": "needed"}]}', ("", '[{"loc": ["title"], "msg": "needed"}]')),
        (b'{"error": "invalid_grant", "error_description": "Invalid user"}', ("invalid_grant", "Invalid user")),
        (b'{"error": {"type": "security_exception", "reason": "no"}}', ("security_exception", "no")),
        (b"<Error><Code>NoSuchBucket</Code><Message>The bucket\n is not there</Message></Error>",
         ("NoSuchBucket", "The bucket is not there")),
        (b"Bad gateway\n", ("", "Bad gateway")),
        (b"", ("", "")),
        (b"\xff\xfe", ("", "\ufffd\ufffd")),
        (b"[" * 100_000, ("", "[" * 300 + " ...")),
    ],
)  # fmt: skip
def test_the_reason_is_read_in_every_form_in_which_services_answer(body: bytes, expected: tuple[str, str]) -> None:
    assert read_reason(body) == expected


def test_the_number_of_remembered_refusals_is_bounded() -> None:
    refusals = RefusalLog()
    for peer in range(600):
        for number in range(60 if peer == 599 else 1):
            refusals.add(RefusedRequest("aii-service", 404, "GET", f"/{number}", "", f"p{peer}", float(peer)))
    assert [item.route for item in refusals.find(["p599"])] == [f"/{number}" for number in range(10, 60)]
    assert refusals.find(["p0"]) == []
    assert len(refusals.find(["p598"])) == 1


def entry(**answer: Any) -> bytes:
    """A line of MinIO's trace, as far as it is read."""
    request = {"method": "PUT", "path": "/other/x", "client": "10.1.0.7", "headers": {"Authorization": ["secret"]}}
    response = {"time": "2026-11-29T18:53:44.3318714Z", "statuscode": 403, "headers": {}, **answer}
    return json.dumps({"type": 4, "http": {"request": request, "response": response}}).encode()


def test_a_line_of_minios_trace_says_who_asked_what_and_why_not() -> None:
    body = b"<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>"
    found = read_entry(entry(body=base64.b64encode(body).decode()))
    assert found is not None
    assert found.at == pytest.approx(1795978424.3318714, abs=1e-3)
    assert found == ObjectRequest("10.1.0.7", "PUT", "/other/x", 403, found.at, "AccessDenied", "Access Denied.")
    headers = {"X-Minio-Error-Code": ["NoSuchKey"], "X-Minio-Error-Desc": ['"It is not there"']}
    found = read_entry(entry(statuscode=404, headers=headers))
    assert found is not None
    assert (found.code, found.reason) == ("NoSuchKey", "It is not there")


@pytest.mark.parametrize("line", [b" ", b"{", b"[]", b'{"http": {}}', b'{"http": null}'])
def test_other_entries_of_the_trace_are_skipped(line: bytes) -> None:
    assert read_entry(line) is None


class Store:
    """An object store whose trace is under the test's control."""

    def __init__(self) -> None:
        self.trace: queue.Queue[ObjectRequest | Exception | None] = queue.Queue()
        self.touched: queue.Queue[str] = queue.Queue()

    def requests(self) -> Iterator[ObjectRequest | None]:
        while True:
            item = self.trace.get(timeout=20)
            if isinstance(item, Exception):
                raise item
            yield item

    def touch(self, name: str) -> None:
        self.touched.put(name)
        # earlier requests come before the mark
        self.trace.put(ObjectRequest("10.1.0.7", "PUT", "/other/x", 403, time.time(), "AccessDenied", "no"))
        self.trace.put(ObjectRequest("10.1.0.1", "GET", f"/{name}", 403, time.time(), "AccessDenied", "no"))


def test_the_trace_of_minio_is_waited_for_and_followed_again_after_a_broken_connection() -> None:
    store, refusals = Store(), RefusalLog()
    watch = ObjectWatch(store, refusals)
    assert watch.catch_up(5) is False, "nothing is followed yet"
    watch.start()
    store.trace.put(ConnectionError("MinIO starts"))
    store.trace.put(None)
    until(lambda: watch.catch_up(5))
    assert {item.service for item in refusals.find(["10.1.0.7"])} == {"minio-service"}
    assert refusals.find(["10.1.0.1"]) == [], "the mark of the services themselves"
    store.trace.put(ObjectRequest("10.1.0.7", "GET", "/own/x", 200, time.time()))
    assert watch.catch_up(5)
    assert {item.went_on for item in refusals.find(["10.1.0.7"])} >= {True}
    store.trace.put(ConnectionError("MinIO ends"))
    until(lambda: not watch.catch_up(5))
    store.trace.put(None)
    watch.stop()
