"""Callbacks after the final failure of a task (runtime 7.3, 7.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models import DAG
from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator
from kaapana.operators.KaapanaPythonBaseOperator import KaapanaPythonBaseOperator

from harness.incluster.airflow import callbacks

from .conftest import context_for
from .fake_kube import FakeKube
from .fake_services import FakeServices, answering, reach


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServices]:
    with answering(monkeypatch) as fake:
        yield fake


def failed(operator: Any, conf: dict[str, Any]) -> Any:
    context = context_for(operator, conf={"project_form": {"kubernetes_namespace": "project-a"}, **conf})
    return {**context, "dag": operator.dag}


def notifying() -> DAG:
    return DAG("my-dag", schedule=None, default_args={"send_notification_on_workflow_failure": True})


def test_a_notification_goes_to_the_user_who_started_the_workflow(kube: FakeKube, services: FakeServices) -> None:
    operator = KaapanaBaseOperator(dag=notifying(), name="my-task", image="x")
    conf = {"workflow_form": {"username": "ada"}, "project_form": {"id": "p1", "kubernetes_namespace": "project-a"}}
    KaapanaBaseOperator.on_failure(failed(operator, conf))
    assert services.asked == [
        "GET /view-chart-status?release_name=kaapanaint-my-dag-1",
        "GET /users/username/ada",
        "GET /projects/admin",
        "POST /v1/p1/id-of-ada",
    ]
    (sent,) = services.sent
    assert (sent["topic"], sent["title"], sent["icon"]) == ("my-dag-1", "Workflow failed", "mdi-information")
    assert sent["link"] == "/flow/dags/my-dag/grid?dag_run_id=my-dag-1&task_id=my-task&tab=logs"
    assert sent["description"] == "Workflow <b>my-dag-1</b> failed."


def test_without_user_and_project_the_whole_admin_project_is_notified(services: FakeServices) -> None:
    operator = KaapanaPythonBaseOperator(dag=notifying(), name="my-task", python_callable=print)
    KaapanaPythonBaseOperator.on_failure(failed(operator, {}))
    assert services.asked == ["GET /projects/admin", "POST /v1/id-of-admin"]


def test_a_mail_about_the_failure_is_only_logged(services: FakeServices, caplog: pytest.LogCaptureFixture) -> None:
    mailing = DAG("my-dag", schedule=None, default_args={"send_email_on_workflow_failure": True})
    operator = KaapanaPythonBaseOperator(dag=mailing, name="my-task", python_callable=print)
    KaapanaPythonBaseOperator.on_failure(failed(operator, {}))
    assert "sends no e-mail" in caplog.text
    assert services.asked == []


def test_no_notification_is_sent_unless_the_dag_requests_it(dag: DAG, services: FakeServices) -> None:
    operator = KaapanaPythonBaseOperator(dag=dag, name="my-task", python_callable=print)
    KaapanaPythonBaseOperator.on_failure(failed(operator, {}))
    assert services.asked == []


def test_a_release_without_notification_service_sends_nothing(
    services: FakeServices, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    profile = {"name": "0.4", "callbacks": {"notifications": False}}
    monkeypatch.setenv("KAAPANA_HARNESS_PROFILE", json.dumps(profile))
    operator = KaapanaPythonBaseOperator(dag=notifying(), name="my-task", python_callable=print)
    KaapanaPythonBaseOperator.on_failure(failed(operator, {}))
    assert services.asked == []
    assert "0.4 has no notification service" in caplog.text


def test_an_application_of_the_run_is_uninstalled(services: FakeServices) -> None:
    services.statuses["/view-chart-status"] = 200
    callbacks.end_application("kaapanaint-x")
    assert services.asked == [
        "GET /view-chart-status?release_name=kaapanaint-x",
        "POST /helm-delete-chart?release_name=kaapanaint-x",
    ]


def test_a_service_that_is_away_does_not_hide_the_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reach(monkeypatch, "http://127.0.0.1:9")
    context = {"dag_run": SimpleNamespace(conf={}), "ti": SimpleNamespace(run_id="r", dag_id="d", task_id="t")}
    callbacks.notify_failure(context)
    assert "was not notified" in caplog.text
