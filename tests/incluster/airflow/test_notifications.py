"""The notification about a failed workflow: its text, and whom it reaches (runtime 7.4)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from harness.incluster.airflow import callbacks

RUN = "my-dag-261129"
PROJECT = {"project_form": {"id": "p1"}}
ADA = {"workflow_form": {"username": "ada"}}


class Services:
    """AII and the notification service at one address; answers with the status that a path was given."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.statuses: dict[str, int] = {}
        services = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                services.asked.append(f"{self.command} {self.path}")
                if body:
                    services.sent.append(json.loads(body))
                answer = json.dumps({"id": "id-of-" + self.path.rpartition("/")[2]}).encode()
                self.send_response(services.statuses.get(self.path, 200))
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET  # noqa: N815  (the name that the library looks for)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    running = Services()
    monkeypatch.setattr(callbacks.names, "url", lambda _service, _scheme="http": running.url)
    for name in ("AII_URL", "NOTIFICATION_URL"):
        monkeypatch.setenv(name, running.url)
    yield running
    running.close()


def notify(**conf: Any) -> None:
    ti = SimpleNamespace(run_id=RUN, dag_id="my-dag", task_id="my-task")
    callbacks.notify_failure({"dag_run": SimpleNamespace(conf=conf), "ti": ti})


NOTIFICATION = {
    "topic": RUN,
    "title": "Workflow failed",
    "description": f"Workflow <b>{RUN}</b> failed.",
    "icon": "mdi-information",
    "link": f"/flow/dags/my-dag/grid?dag_run_id={RUN}&task_id=my-task&tab=logs",
}


def test_it_goes_to_the_user_who_started_the_workflow_in_its_project(services: Services) -> None:
    notify(**PROJECT, **ADA)
    assert services.asked == ["GET /users/username/ada", "GET /projects/admin", "POST /v1/p1/id-of-ada"]
    assert services.sent == [NOTIFICATION]


def test_a_user_who_is_not_in_the_project_gets_it_all_the_same(services: Services) -> None:
    services.statuses["/v1/p1/id-of-ada"] = 404
    notify(**PROJECT, **ADA)
    assert services.asked[-2:] == ["POST /v1/p1/id-of-ada", "POST /v1/"]
    assert services.sent == [NOTIFICATION, {**NOTIFICATION, "receivers": ["id-of-ada"]}]


def test_without_a_user_the_whole_project_gets_it_and_without_a_project_that_of_the_admin(services: Services) -> None:
    notify(**PROJECT)
    notify()
    assert services.asked == ["GET /projects/admin", "POST /v1/p1", "GET /projects/admin", "POST /v1/id-of-admin"]


@pytest.mark.parametrize("path", ["/projects/admin", "/users/username/ada"])
def test_nobody_gets_it_where_project_or_user_cannot_be_asked_for(
    services: Services, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    services.statuses[path] = 404
    notify(**PROJECT, **ADA)
    assert services.sent == []
    assert f"{path} answered 404" in caplog.text


@pytest.mark.parametrize(("conf", "path"), [(ADA, "/v1/p1/id-of-ada"), ({}, "/v1/p1")])
def test_another_refusal_is_not_tried_in_another_way(
    services: Services, caplog: pytest.LogCaptureFixture, conf: dict[str, Any], path: str
) -> None:
    services.statuses[path] = 502
    notify(**PROJECT, **conf)
    assert services.asked[-1] == f"POST {path}"
    assert f"{path} answered 502" in caplog.text
