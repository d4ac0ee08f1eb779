from __future__ import annotations

from typing import Any

from tests.incluster.services.running_services import RunningServices

BODY = {"title": "done", "description": "the run is over", "topic": "t"}


def person(platform: RunningServices) -> str:
    return platform.aii.get("/users/username/kaapana").json()["id"]


def test_a_notification_reaches_the_people_of_the_project(platform: RunningServices, project: dict[str, Any]) -> None:
    answer = platform.notification.post(f"/v1/{project['id']}", json=BODY).json()
    user = person(platform)
    assert answer["receivers"] == [user]
    sent = platform.control.get("/notifications", params={"project": project["name"]}).json()
    assert [(item["title"], item["project_id"]) for item in sent] == [("done", project["id"])]
    mine = platform.notification.get("/notifications/v1/", headers={"x-forwarded-user": user}).json()
    assert answer["id"] in [item["id"] for item in mine]


def test_the_projects_name_instead_of_its_uuid_is_a_502(platform: RunningServices, project: dict[str, Any]) -> None:
    for path in (f"/v1/{project['name']}", f"/v1/{project['name']}/{person(platform)}"):
        answer = platform.notification.post(path, json=BODY)
        assert answer.status_code == 502
        assert "must be a UUID" in answer.json()["detail"]
    assert platform.control.get("/notifications", params={"project": project["name"]}).json() == []


def test_a_notification_without_a_known_receiver_is_a_404(platform: RunningServices, project: dict[str, Any]) -> None:
    unknown = "00000000-0000-4000-8000-000000000001"
    assert platform.notification.post(f"/v1/{project['id']}/{unknown}", json=BODY).status_code == 404
    assert platform.notification.post("/v1/", json={**BODY, "receivers": [unknown]}).status_code == 404
    assert platform.notification.post("/v1/", json={**BODY, "receivers": [person(platform)]}).status_code == 200
    platform.aii.delete(f"/projects/{project['id']}/user/{person(platform)}/rolemapping")
    assert platform.notification.post(f"/v1/{project['id']}", json=BODY).status_code == 404


def test_a_title_is_required(platform: RunningServices, project: dict[str, Any]) -> None:
    answer = platform.notification.post(f"/v1/{project['id']}", json={"description": "x"})
    assert (answer.status_code, answer.json()) == (422, {"detail": "title must be a non-empty string"})
