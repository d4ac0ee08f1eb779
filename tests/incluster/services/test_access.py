from __future__ import annotations

from typing import Any

import pytest

from tests.incluster.services.running_services import RunningServices


def test_a_project_object_has_the_eight_keys_and_is_found_by_id_and_name(
    platform: RunningServices, project: dict[str, Any]
) -> None:
    name = project["name"]
    assert set(project) == {
        "id", "external_id", "name", "int_id", "description", "kubernetes_namespace", "s3_bucket", "opensearch_index",
    }  # fmt: skip
    assert project["kubernetes_namespace"] == project["s3_bucket"] == f"project-{name}"
    assert project["opensearch_index"] == f"project_{name}"
    assert platform.aii.get(f"/projects/{name}").json() == project
    assert platform.aii.get(f"/aii/projects/{project['id']}").json() == project
    assert project in platform.aii.get("/projects").json()
    assert f"project-{name}" in platform.store.buckets


def test_the_admin_project_is_there_from_the_start(platform: RunningServices) -> None:
    admin = platform.aii.get("/projects/admin").json()
    assert (admin["name"], admin["description"]) == ("admin", "Initial admin project")


def test_an_unknown_project_is_a_404_as_on_the_platform(platform: RunningServices) -> None:
    answer = platform.aii.get("/projects/nowhere")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Project not found"})


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 17, "dot.ted", "", "x/y"])
def test_a_name_that_no_bucket_or_ae_title_takes_is_refused(platform: RunningServices, name: str) -> None:
    assert platform.aii.post("/projects", json={"name": name, "description": ""}).status_code == 422
    assert name not in [item["name"] for item in platform.aii.get("/projects").json()]


def test_members_are_listed_by_uuid_only(platform: RunningServices, project: dict[str, Any]) -> None:
    users = platform.aii.get(f"/projects/{project['id']}/users").json()
    assert {user["username"]: user["system"] for user in users} == {
        f"project-{project['name']}-system-user": True,
        "kaapana": False,
    }
    assert platform.aii.get(f"/projects/{project['name']}/users").status_code == 422


def test_software_is_added_listed_and_removed(platform: RunningServices, project: dict[str, Any]) -> None:
    path = f"/projects/{project['id']}/software-mappings"
    assert platform.aii.get(path).json() == []
    assert platform.aii.post(path, json=[{"software_uuid": "my-dag"}]).status_code == 200
    assert platform.aii.post(path, json=[{"software_uuid": "my-dag"}]).status_code == 200
    assert platform.aii.get(path).json() == [{"software_uuid": "my-dag"}]
    assert platform.aii.request("DELETE", path, json=[{"software_uuid": "my-dag"}]).status_code == 204
    assert platform.aii.get(path).json() == []
    assert platform.aii.post(path, json=[{"uuid": "x"}]).status_code == 422


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_software_is_changed_by_an_admin_or_with_the_right_in_that_project_only(
    platform: RunningServices, method: str
) -> None:
    project, other = platform.new_project(), platform.new_project()

    def change(headers: dict[str, str]) -> int:
        path = f"/projects/{project['id']}/software-mappings"
        return platform.aii.request(method, path, json=[{"software_uuid": "x"}], headers=headers).status_code

    def as_user(token: str) -> dict[str, str]:
        return {"x-forwarded-access-token": token}

    assert change(as_user(platform.project_token(other))) == 403
    assert change(as_user("forged")) == 401
    good = 200 if method == "POST" else 204
    assert change(as_user(platform.project_token(project))) == good
    assert change(as_user(platform.system_token())) == good
    assert change({}) == good, "a pod that asks without the ingress is not checked, as on the platform"


def test_a_scientist_may_not_change_the_software(platform: RunningServices) -> None:
    project = platform.new_project()
    user = platform.aii.get(f"/users/username/project-{project['name']}-system-user").json()
    role = f"/projects/{project['id']}/user/{user['id']}/rolemapping"
    assert platform.aii.put(role, params={"role_name": "scientist"}).status_code == 200
    headers = {"x-forwarded-access-token": platform.project_token(project)}
    path = f"/projects/{project['id']}/software-mappings"
    answer = platform.aii.post(path, json=[{"software_uuid": "x"}], headers=headers)
    assert answer.status_code == 403
    assert "has no right manage_software" in answer.json()["detail"]


def test_users_are_found_by_name_and_have_rights_per_project(
    platform: RunningServices, project: dict[str, Any]
) -> None:
    user = platform.aii.get("/users/username/kaapana").json()
    assert user["realm_roles"] == ["admin", "project-manager", "user"]
    assert platform.aii.get("/users/username/missing").status_code == 404
    rights = platform.aii.get(f"/aii/users/{user['id']}/rights").json()
    mine = {(right["claim_key"], right["claim_value"]) for right in rights if right["project_id"] == project["id"]}
    assert ("policy", "admin_project") in mine
    role = f"/projects/{project['id']}/role/scientist/user/{user['id']}"
    assert platform.aii.post(role).status_code == 409


def test_a_project_is_not_kept_when_minio_cannot_make_its_bucket(platform: RunningServices) -> None:
    platform.store.away = True
    try:
        answer = platform.aii.post("/projects", json={"name": "bucketless", "description": ""})
    finally:
        platform.store.away = False
    assert answer.status_code == 503
    assert "MinIO" in answer.json()["detail"]
    assert platform.aii.get("/projects/bucketless").status_code == 404
