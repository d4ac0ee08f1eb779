"""What follows the final failure of a task (runtime 7.3, 7.4)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models import DAG
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator
from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow import callbacks

from .conftest import context_for
from .fake_kube import FakeKube


class FakeServices:
    """kube-helm, AII and the notification service at one address; remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.chart_status = 404
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                fake.requests.append((self.command, self.path, body))
                status = fake.chart_status if "view-chart-status" in self.path else 200
                data = json.dumps({"id": "id-of-" + self.path.rpartition("/")[2]}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServices]:
    fake = FakeServices()
    monkeypatch.setattr(callbacks.names, "url", lambda _service, _scheme="http": fake.url)
    monkeypatch.setenv("AII_URL", fake.url)
    monkeypatch.setenv("NOTIFICATION_URL", fake.url)
    yield fake
    fake.close()


def failed(operator: Any, conf: dict[str, Any]) -> Any:
    context = context_for(operator, conf={"project_form": {"kubernetes_namespace": "project-a"}, **conf})
    return {**context, "dag": operator.dag}


def notifying() -> DAG:
    return DAG("my-dag", schedule=None, default_args={"send_notification_on_workflow_failure": True})


def test_a_notification_goes_to_the_user_who_started_the_workflow(kube: FakeKube, services: FakeServices) -> None:
    operator = KaapanaBaseOperator(dag=notifying(), name="my-task", image="x")
    conf = {"workflow_form": {"username": "ada"}, "project_form": {"id": "p1", "kubernetes_namespace": "project-a"}}
    KaapanaBaseOperator.on_failure(failed(operator, conf))
    assert [request[:2] for request in services.requests] == [
        ("GET", "/view-chart-status?release_name=kaapanaint-my-dag-1"),
        ("GET", "/users/username/ada"),
        ("GET", "/projects/admin"),
        ("POST", "/v1/p1/id-of-ada"),
    ]
    sent = services.requests[-1][2]
    assert (sent["topic"], sent["title"], sent["icon"]) == ("my-dag-1", "Workflow failed", "mdi-information")
    assert sent["link"] == "/flow/dags/my-dag/grid?dag_run_id=my-dag-1&task_id=my-task&tab=logs"
    assert sent["description"] == "Workflow <b>my-dag-1</b> failed."


def test_without_user_and_project_the_whole_admin_project_is_notified(services: FakeServices) -> None:
    operator = KaapanaPythonBaseOperator(dag=notifying(), name="my-task", python_callable=print)
    KaapanaPythonBaseOperator.on_failure(failed(operator, {}))
    assert [request[:2] for request in services.requests] == [("GET", "/projects/admin"), ("POST", "/v1/id-of-admin")]


def test_a_mail_about_the_failure_is_only_logged(services: FakeServices, caplog: pytest.LogCaptureFixture) -> None:
    mailing = DAG("my-dag", schedule=None, default_args={"send_email_on_workflow_failure": True})
    operator = KaapanaPythonBaseOperator(dag=mailing, name="my-task", python_callable=print)
    KaapanaPythonBaseOperator.on_failure(failed(operator, {}))
    assert "sends no e-mail" in caplog.text
    assert services.requests == []


def test_nobody_is_notified_where_the_dag_does_not_ask_for_it(dag: DAG, services: FakeServices) -> None:
    operator = KaapanaPythonBaseOperator(dag=dag, name="my-task", python_callable=print)
    KaapanaPythonBaseOperator.on_failure(failed(operator, {}))
    assert services.requests == []


def test_a_release_without_notification_service_sends_nothing(
    services: FakeServices, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    profile = {"name": "0.4", "callbacks": {"notifications": False}}
    monkeypatch.setenv("KAAPANA_HARNESS_PROFILE", json.dumps(profile))
    operator = KaapanaPythonBaseOperator(dag=notifying(), name="my-task", python_callable=print)
    KaapanaPythonBaseOperator.on_failure(failed(operator, {}))
    assert services.requests == []
    assert "0.4 has no notification service" in caplog.text


def test_an_application_of_the_run_is_uninstalled(services: FakeServices) -> None:
    services.chart_status = 200
    callbacks.end_application("kaapanaint-x")
    assert [request[:2] for request in services.requests] == [
        ("GET", "/view-chart-status?release_name=kaapanaint-x"),
        ("POST", "/helm-delete-chart?release_name=kaapanaint-x"),
    ]


def test_a_service_that_is_away_does_not_hide_the_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(callbacks.names, "url", lambda _service, _scheme="http": "http://127.0.0.1:9")
    for name in ("AII_URL", "NOTIFICATION_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    context = {"dag_run": SimpleNamespace(conf={}), "ti": SimpleNamespace(run_id="r", dag_id="d", task_id="t")}
    callbacks.notify_failure(context)
    assert "was not notified" in caplog.text
