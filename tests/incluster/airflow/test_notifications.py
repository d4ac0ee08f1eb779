"""The notification about a failed workflow: its text, and whom it reaches (runtime 7.4)."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness.incluster.airflow import callbacks
from tests.incluster.airflow.in_image.fake_services import FakeServices, answering

RUN = "my-dag-261129"
PROJECT = {"project_form": {"id": "p1"}}
ADA = {"workflow_form": {"username": "ada"}}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServices]:
    with answering(monkeypatch) as fake:
        yield fake


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


def test_it_goes_to_the_user_who_started_the_workflow_in_its_project(services: FakeServices) -> None:
    notify(**PROJECT, **ADA)
    assert services.asked == ["GET /users/username/ada", "GET /projects/admin", "POST /v1/p1/id-of-ada"]
    assert services.sent == [NOTIFICATION]


def test_a_user_outside_of_the_project_still_gets_the_notification(services: FakeServices) -> None:
    services.statuses["/v1/p1/id-of-ada"] = 404
    notify(**PROJECT, **ADA)
    assert services.asked[-2:] == ["POST /v1/p1/id-of-ada", "POST /v1/"]
    assert services.sent == [NOTIFICATION, {**NOTIFICATION, "receivers": ["id-of-ada"]}]


def test_without_a_user_the_whole_project_gets_it_and_without_a_project_that_of_the_admin(
    services: FakeServices,
) -> None:
    notify(**PROJECT)
    notify()
    assert services.asked == ["GET /projects/admin", "POST /v1/p1", "GET /projects/admin", "POST /v1/id-of-admin"]


@pytest.mark.parametrize("path", ["/projects/admin", "/users/username/ada"])
def test_no_notification_is_sent_when_the_project_or_user_cannot_be_read(
    services: FakeServices, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    services.statuses[path] = 404
    notify(**PROJECT, **ADA)
    assert services.sent == []
    assert f"{path} answered 404" in caplog.text


@pytest.mark.parametrize(("conf", "path"), [(ADA, "/v1/p1/id-of-ada"), ({}, "/v1/p1")])
def test_another_refusal_is_not_tried_in_another_way(
    services: FakeServices, caplog: pytest.LogCaptureFixture, conf: dict[str, Any], path: str
) -> None:
    services.statuses[path] = 502
    notify(**PROJECT, **conf)
    assert services.asked[-1] == f"POST {path}"
    assert f"{path} answered 502" in caplog.text
