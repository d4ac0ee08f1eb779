"""The HTTP clients against a small server of the test's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from harness.errors import PlatformError, RunError, UsageError
from harness.platform import services_client
from harness.platform.airflow_client import AirflowClient
from harness.platform.http import RefusalError
from harness.platform.projects import Project, check_name
from harness.platform.services_client import ServicesClient
from harness.wire.index_documents import IndexedDocument, IndexedDocuments
from harness.wire.notifications import Notification
from harness.wire.records import RunEnd, TaskChange
from tests.http_answers import send_body

RECORD = {"id": "u-1", "name": "abc", "kubernetes_namespace": "project-abc", "s3_bucket": "project-abc"}
PROJECT = Project("abc", RECORD, "the-password")


class Server(ThreadingHTTPServer):
    """Answers from a table of ``METHOD path``; keeps the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.dropped = 0

    @property
    def address(self) -> tuple[str, int]:
        return cast("tuple[str, int]", self.server_address)


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        server = cast(Server, self.server)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        if server.dropped:
            # as a process that is killed in the middle of a request
            server.dropped -= 1
            self.close_connection = True
            return
        server.requests.append({"method": self.command, "path": self.path, "headers": self.headers, "body": body})
        status, answer = server.answers.get(f"{self.command} {path}", (404, {"detail": f"no {path}"}))
        send_body(self, status, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 (names of the base class)

    def log_message(self, *arguments: Any) -> None:
        """Tests are quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


class Restarts:
    """What the cluster says when it is asked whether the services were not ready, and how often it was."""

    def __init__(self) -> None:
        self.answers: list[bool] = []
        self.asked = 0

    def __call__(self, seconds: float) -> bool:
        self.asked += 1
        return self.answers.pop(0) if self.answers else False


@pytest.fixture
def restarts() -> Restarts:
    return Restarts()


@pytest.fixture
def services(server: Server, restarts: Restarts) -> Iterator[ServicesClient]:
    client = ServicesClient(
        lambda port: server.address, token="control-token", client_secret="client-secret", restart=restarts
    )
    yield client
    client.close()


TOKEN = "POST /auth/realms/kaapana/protocol/openid-connect/token"


def test_a_stand_in_is_addressed_by_the_host_name_of_the_platform(server: Server, services: ServicesClient) -> None:
    server.answers["GET /projects"] = (200, [RECORD])
    assert services.projects() == [RECORD]
    assert server.requests[0]["headers"]["Host"] == "aii-service.services.svc"


def test_the_control_port_gets_the_environments_token(server: Server, services: ServicesClient) -> None:
    server.answers["GET /receipts"] = (200, [])
    services.receipts("abc", "2026-01-01T00:00:00+00:00")
    assert server.requests[0]["headers"]["Authorization"] == "Bearer control-token"
    assert "since=2026-01-01T00%3A00%3A00%2B00%3A00" in server.requests[0]["path"]


def test_a_restart_of_the_services_is_seen_once(server: Server, services: ServicesClient) -> None:
    server.answers["POST /settle"] = (200, {"settled": True, "errors": {}})
    server.answers["GET /health"] = (200, {"ready": True, "starts": 1})
    services.check_health()
    assert services.settle(1) is False
    server.answers["GET /health"] = (200, {"ready": True, "starts": 2})
    assert services.settle(1) is True
    assert services.settle(1) is False


def test_settling_continues_when_the_services_are_back(server: Server, services: ServicesClient) -> None:
    server.answers["GET /health"] = (200, {"ready": True, "starts": 1})
    server.answers["POST /settle"] = (200, {"settled": True, "errors": {}})
    services.check_health()
    server.dropped = 3
    assert services.settle(1) is False
    assert server.dropped == 0


def test_services_that_the_cluster_was_starting_are_asked_again_however_long_it_took(
    server: Server, services: ServicesClient, restarts: Restarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["GET /receipts"] = (200, [])
    monkeypatch.setattr(services_client, "_REACH_S", 0.0)
    server.dropped, restarts.answers = 3, [True, True, True]
    assert services.receipts("abc") == []
    assert restarts.asked == 3


def test_services_that_do_not_answer_and_are_not_being_started_are_given_up(
    server: Server, services: ServicesClient, restarts: Restarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services_client, "_REACH_S", 0.0)
    server.dropped = 3
    with pytest.raises(PlatformError, match=r"the harness's services at \S+ does not answer"):
        services.settle(1)
    assert (server.dropped, restarts.asked) == (2, 1)


def test_services_that_are_not_settled_are_not_asked_again(server: Server, services: ServicesClient) -> None:
    server.answers["POST /settle"] = (504, {"detail": "not settled within 1 s"})
    with pytest.raises(PlatformError, match="not settled within 1 s"):
        services.settle(1)
    assert len(server.requests) == 1


def test_a_workflow_is_started_as_the_projects_user_and_the_token_is_fetched_once(
    server: Server, services: ServicesClient
) -> None:
    server.answers[TOKEN] = (200, {"access_token": "jwt", "expires_in": 300})
    server.answers["POST /kaapana-backend/client/workflow"] = (200, {"workflow_name": "x-1"})
    for _ in range(2):
        assert services.start_workflow(PROJECT, {"dag_id": "x"}) == {"workflow_name": "x-1"}
    assert [request["path"] for request in server.requests].count(TOKEN.split()[1]) == 1
    assert b"the-password" in server.requests[0]["body"]
    headers = server.requests[-1]["headers"]
    assert json.loads(headers["Project"]) == RECORD
    assert headers["x-forwarded-preferred-username"] == "project-abc-system-user"
    assert headers["x-forwarded-access-token"] == "jwt"


def test_a_refused_workflow_names_the_step_that_was_left_out(server: Server, services: ServicesClient) -> None:
    server.answers[TOKEN] = (200, {"access_token": "jwt"})
    server.answers["POST /kaapana-backend/client/workflow"] = (403, {"detail": "Unauthorized to start this workflow."})
    with pytest.raises(RunError) as caught:
        services.start_workflow(PROJECT, {"dag_id": "x"})
    assert "refuses to start x in the project abc: Unauthorized to start this workflow." in caught.value.cause
    assert "Add Software to Project" in caught.value.fix


def test_a_refused_token_is_not_called_a_refused_workflow(server: Server, services: ServicesClient) -> None:
    server.answers[TOKEN] = (401, {"error": "invalid_grant"})
    with pytest.raises(RefusalError) as caught:
        services.start_workflow(PROJECT, {"dag_id": "x"})
    assert (caught.value.cause, caught.value.status) == ("Keycloak refused a request: invalid_grant", 401)


def test_software_is_changed_as_a_user_and_a_refusal_names_that_user(server: Server, services: ServicesClient) -> None:
    server.answers[TOKEN] = (200, {"access_token": "jwt"})
    path = "/projects/u-1/software-mappings"
    server.answers[f"POST {path}"] = server.answers[f"DELETE {path}"] = (204, b"")
    other = Project("xyz", RECORD | {"kubernetes_namespace": "project-xyz"}, "its-password")
    services.add_software(PROJECT, ["x", "y"])
    services.remove_software(PROJECT, ["x"], acting=other)
    changes = [request for request in server.requests if request["path"] == path]
    users = [request["headers"]["x-forwarded-preferred-username"] for request in changes]
    assert users == ["project-abc-system-user", "project-xyz-system-user"]
    assert [request["method"] for request in changes] == ["POST", "DELETE"]
    assert json.loads(changes[0]["body"]) == [{"software_uuid": "x"}, {"software_uuid": "y"}]
    assert {request["headers"]["x-forwarded-access-token"] for request in changes} == {"jwt"}
    server.answers[f"POST {path}"] = (403, {"detail": "no right manage_software"})
    with pytest.raises(
        RunError, match="project-xyz-system-user may not change the software of the project abc"
    ) as caught:
        services.add_software(PROJECT, ["x"], acting=other)
    assert "HTTP 403" in caught.value.last_seen
    assert "principal-investigator" in caught.value.fix


def test_removing_a_removed_project_is_not_an_error(server: Server, services: ServicesClient) -> None:
    services.forget_project("abc")
    server.answers["DELETE /projects/abc"] = (503, {"detail": "MinIO is busy"})
    with pytest.raises(PlatformError, match="cannot be removed") as caught:
        services.forget_project("abc")
    assert "MinIO is busy" in caught.value.last_seen


def test_an_unreachable_service_is_named_with_its_address(server: Server, services: ServicesClient) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(PlatformError, match=r"access information service at http://127\.0\.0\.1:\d+ does not answer"):
        services.projects()


def test_an_answer_of_something_else_on_the_way_is_distinguished_from_the_service(
    server: Server, services: ServicesClient
) -> None:
    server.answers["GET /projects"] = (200, b"<html>login</html>")
    with pytest.raises(PlatformError, match="not JSON") as caught:
        services.projects()
    assert "<html>login" in caught.value.last_seen


def test_airflows_events_are_read_line_by_line(server: Server) -> None:
    lines = b'{"task_id": "a", "state": "running"}\n\n{"run": "success"}\n'
    server.answers["GET /flow/harness/runs/d/manual__1%2B00/events"] = (200, lines)
    client = AirflowClient(server.address, token="token")
    assert list(client.events("d", "manual__1+00")) == [TaskChange("a", "running"), RunEnd("success")]
    client.close()


def test_airflows_refusal_carries_its_words(server: Server) -> None:
    server.answers["POST /flow/kaapana/api/trigger/d"] = (404, {"error": "Dag id d not found"})
    client = AirflowClient(server.address, token="token")
    with pytest.raises(PlatformError, match="Dag id d not found"):
        client.trigger("d", {})
    client.close()


def test_a_missing_log_is_distinguished_from_an_error(server: Server) -> None:
    server.answers["GET /flow/harness/logs/d/r/ran/1"] = (200, b"one line")
    server.answers["GET /flow/harness/logs/d/r/empty/1"] = (404, {"error": "no log of attempt 1"})
    server.answers["GET /flow/harness/logs/d/r/broken/1"] = (500, {"error": "disk"})
    client = AirflowClient(server.address, token="token")
    assert client.log("d", "r", "ran", 1) == "one line"
    assert client.log("d", "r", "empty", 1) is None
    with pytest.raises(PlatformError, match="disk"):
        client.log("d", "r", "broken", 1)
    client.close()


def test_a_projects_password_does_not_show() -> None:
    assert "the-password" not in repr(PROJECT)


def test_the_names_of_a_project_are_those_of_the_platform() -> None:
    assert (PROJECT.namespace, PROJECT.bucket, PROJECT.ae_title) == ("project-abc", "project-abc", "kp-abc")


@pytest.mark.parametrize("name", ["a" * 14, "A", "a_b", "-a", "a-", "", "admin", "ä"])
def test_a_name_that_bucket_namespace_index_or_ae_title_refuse_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a project"):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "a1", "a-b", "a" * 13])
def test_a_possible_name_is_taken(name: str) -> None:
    assert check_name(name) == name


def test_records_of_a_project_arrive_from_the_services_as_types(server: Server, services: ServicesClient) -> None:
    document = {"id": "1.2", "source": {"a": 1}}
    server.answers["GET /documents"] = (200, {"latest": 7, "documents": [document]})
    server.answers["GET /notifications"] = (200, [{"id": "1", "title": "done", "topic": None, "receviers_read": {}}])
    assert services.documents("abc") == IndexedDocuments(7, (IndexedDocument("1.2", {"a": 1}),))
    services.documents("abc", 3)
    assert [request["path"] for request in server.requests] == [
        "/documents?project=abc",
        "/documents?project=abc&after=3",
    ]
    assert services.notifications("abc") == [Notification("1", title="done")]
