from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.incluster.services.running_services import RunningServices, bearer, project_header

DAG = "my-dag"


class Starter:
    """A project with one DAG in its software and one dataset of three series."""

    def __init__(self, platform: RunningServices) -> None:
        self.platform = platform
        self.project = platform.new_project()
        self.headers = project_header(self.project)
        platform.airflow.dags[DAG] = {
            "dag_id": DAG,
            "ui_visible": True,
            "tags": [],
            "ui_forms": {"data_form": {"type": "object", "properties": {"dataset_name": {"type": "string"}}}},
        }
        platform.airflow.dags["hidden"] = {"dag_id": "hidden", "ui_visible": False}
        software = [{"software_uuid": DAG}, {"software_uuid": "hidden"}]
        platform.aii.post(f"/projects/{self.project['id']}/software-mappings", json=software)
        self.dataset("PUT", name="ds", action="ADD", identifiers=["1.1", "1.2", "1.3"])

    def dataset(self, method: str, **body: Any) -> httpx.Response:
        return self.platform.backend.request(method, "/client/dataset", headers=self.headers, json=body)

    def post(self, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        body = {"dag_id": DAG, "workflow_name": "trial", "instance_names": ["central"], "remote": False, **body}
        return self.platform.backend.post("/client/workflow", headers=headers or self.headers, json=body)

    def start(self, **conf: Any) -> dict[str, Any]:
        """Start and wait; the control interface's view of the workflow."""
        answer = self.post(conf_data=conf)
        assert answer.status_code == 200, answer.text
        path = f"/workflows/{answer.json()['workflow_id']}"
        workflow = self.platform.control.get(path, params={"wait_s": "20"}).json()
        assert workflow["created"]
        return workflow


@pytest.fixture
def starter(platform: RunningServices) -> Starter:
    return Starter(platform)


def test_the_conf_of_a_batch_run_is_completed_as_on_the_platform(starter: Starter) -> None:
    form = {"dataset_name": "ds", "dataset_limit": 2}
    workflow = starter.start(data_form=form, workflow_form={"single_execution": False, "bins": 64})
    assert workflow["error"] is None
    assert workflow["workflow_name"] == f"trial-{workflow['workflow_id']}"
    assert len(workflow["workflow_id"]) == 6
    (job,) = workflow["jobs"]
    conf = starter.platform.airflow.runs[job["run_id"]]
    assert conf == {
        "client_job_id": job["id"],
        # the limit is not applied here in batch mode: get-input does it
        "data_form": {"dataset_name": "ds", "dataset_limit": 2, "identifiers": ["1.1", "1.2", "1.3"]},
        "workflow_form": {
            "single_execution": False,
            "bins": 64,
            "username": "kaapana",
            "workflow_id": workflow["workflow_id"],
            "workflow_name": workflow["workflow_name"],
            "involved_instances": ["central"],
            "runner_instances": ["central"],
        },
        "project_form": starter.project,
    }


@pytest.mark.parametrize(("limit", "count"), [(None, 3), (2, 2), ("2", 2), (0, 0), (-1, 2), (9, 3)])
def test_single_execution_makes_one_job_per_series_up_to_the_limit(
    starter: Starter, limit: int | str | None, count: int
) -> None:
    data = {"dataset_name": "ds", **({} if limit is None else {"dataset_limit": limit})}
    workflow = starter.start(data_form=data, workflow_form={"single_execution": True})
    confs = [starter.platform.airflow.runs[job["run_id"]] for job in workflow["jobs"]]
    expected = ["1.1", "1.2", "1.3"][:count]
    assert [conf["data_form"]["identifiers"] for conf in confs] == [[uid] for uid in expected]
    assert len({conf["client_job_id"] for conf in confs}) == len(expected)


def test_only_the_boolean_true_means_single_execution(starter: Starter) -> None:
    workflow = starter.start(data_form={"identifiers": ["1.1", "1.2"]}, workflow_form={"single_execution": "true"})
    assert len(workflow["jobs"]) == 1


def test_an_unknown_dataset_ends_in_a_workflow_without_jobs_that_says_why(starter: Starter) -> None:
    workflow = starter.start(data_form={"dataset_name": "other"})
    assert workflow["jobs"] == []
    assert "Dataset not found: 'other'" in workflow["error"]
    assert "which has: ds" in workflow["error"]


def test_single_execution_without_identifiers_says_why(starter: Starter) -> None:
    workflow = starter.start(workflow_form={"single_execution": True})
    assert (workflow["jobs"], "no identifiers" in workflow["error"]) == ([], True)


@pytest.mark.parametrize("identifiers", [3, "1.1", None, {"1.1": 1}])
def test_single_execution_without_a_list_says_why(starter: Starter, identifiers: object) -> None:
    workflow = starter.start(data_form={"identifiers": identifiers}, workflow_form={"single_execution": True})
    assert (workflow["jobs"], "data_form.identifiers is not a list" in workflow["error"]) == ([], True)


def test_a_dag_that_airflow_does_not_know_fails_the_job_with_airflows_words(starter: Starter) -> None:
    del starter.platform.airflow.dags[DAG]
    (job,) = starter.start(data_form={"dataset_name": "ds"})["jobs"]
    assert (job["status"], job["run_id"]) == ("failed", None)
    assert job["error"] == "Airflow answered 404: Dag id my-dag not found"


def test_a_dag_outside_of_the_projects_software_is_refused_but_for_admins(starter: Starter) -> None:
    path = f"/projects/{starter.project['id']}/software-mappings"
    starter.platform.aii.request("DELETE", path, json=[{"software_uuid": DAG}])
    assert starter.post().status_code == 403
    user = {**starter.headers, "x-forwarded-access-token": starter.platform.project_token(starter.project)}
    refused = starter.post(user)
    assert refused.status_code == 403
    assert "'my-dag'" in refused.json()["detail"]
    assert starter.post({**starter.headers, **bearer(starter.platform.system_token())}).status_code == 200
    assert starter.post({**starter.headers, "x-forwarded-access-token": "forged"}).status_code == 401


def test_a_release_without_lists_of_software_starts_what_it_has(tmp_path_factory: pytest.TempPathFactory) -> None:
    profile = {"projects": {"software_mapping": False}}
    running = RunningServices(tmp_path_factory.mktemp("earlier"), profile=profile)
    try:
        starter = Starter(running)
        path = f"/projects/{starter.project['id']}/software-mappings"
        running.aii.request("DELETE", path, json=[{"software_uuid": DAG}])
        assert starter.post().status_code == 200
    finally:
        running.close()


def test_headers_and_names_are_demanded(starter: Starter) -> None:
    assert starter.post({"x-forwarded-preferred-username": "kaapana"}).status_code == 500
    assert starter.post({"Project": "no json"}).status_code == 500
    assert starter.post({"Project": starter.headers["Project"]}).status_code == 400
    assert starter.post({"Project": starter.headers["Project"]}, username="me").json()["username"] == "me"
    long = starter.post(workflow_name="n" * 58)
    assert long.status_code == 500
    assert "65 characters" in long.json()["detail"]
    assert starter.post(workflow_name=None).status_code == 422
    assert starter.post(federated=True).status_code == 501


def test_strings_are_html_escaped_on_their_way_to_the_conf(starter: Starter) -> None:
    workflow = starter.start(workflow_form={"text": "a & b <\"c\"> 'd'", "list": [{"x": "<"}], "n": 3, "ok": True})
    form = starter.platform.airflow.runs[workflow["jobs"][0]["run_id"]]["workflow_form"]
    assert form["text"] == "a &amp; b &lt;&quot;c&quot;&gt; &#x27;d&#x27;"
    assert (form["list"], form["n"], form["ok"]) == ([{"x": "&lt;"}], 3, True)


def test_json_that_is_nested_without_end_is_refused(starter: Starter) -> None:
    body = '{"dag_id":' + "[" * 5000 + "]" * 5000 + "}"
    answer = starter.platform.backend.post("/client/workflow", headers=starter.headers, content=body)
    assert answer.status_code == 400


def test_jobs_show_airflows_state_in_the_platforms_words(starter: Starter) -> None:
    workflow = starter.start(data_form={"dataset_name": "ds"})
    run_id = workflow["jobs"][0]["run_id"]
    starter.platform.airflow.states[run_id] = "success"
    # asked a moment ago, a job is not asked again
    starter.platform.services.workflows.get(workflow["workflow_id"]).jobs[0].refreshed = 0.0  # type: ignore[union-attr]
    query = {"workflow_name": workflow["workflow_name"]}
    (job,) = starter.platform.backend.get("/client/jobs", params=query).json()
    assert (job["status"], job["run_id"], job["dag_id"]) == ("finished", run_id, DAG)
    assert starter.platform.backend.get("/client/jobs", params={**query, "status": "failed"}).json() == []
    assert starter.platform.backend.get("/client/job", params={"run_id": run_id}).json()["id"] == job["id"]
    page, total = starter.platform.backend.get("/client/workflows", headers=starter.headers).json()
    assert total == 1
    assert (page[0]["dataset_name"], page[0]["workflow_jobs"]) == ("ds", ["finished"])


def test_a_job_can_be_aborted_and_restarted(starter: Starter) -> None:
    job = starter.start(data_form={"dataset_name": "ds"})["jobs"][0]
    put = starter.platform.backend.put
    aborted = put("/client/job", json={"job_id": job["id"], "status": "abort"}).json()
    assert aborted["status"] == "failed"
    again = put("/client/job", json={"job_id": job["id"], "status": "scheduled"}).json()
    assert again["run_id"] not in {None, job["run_id"]}
    assert put("/client/job", json={"job_id": 10**9, "status": "abort"}).status_code == 404


def test_the_tasks_of_a_job_have_a_date_and_a_state(starter: Starter) -> None:
    (job,) = starter.start(data_form={"dataset_name": "ds"})["jobs"]
    answer = starter.platform.backend.get("/client/get-job-taskinstances", params={"job_id": job["id"]})
    assert answer.json() == {"a": ["2026-01-01", "success"]}


def test_forms_list_the_projects_datasets_and_only_visible_software(starter: Starter) -> None:
    schemas = starter.platform.backend.post("/client/get-ui-form-schemas", headers=starter.headers, json={}).json()
    assert list(schemas) == [DAG]
    field = schemas[DAG]["data_form"]["properties"]["dataset_name"]
    assert field["oneOf"] == [{"const": "ds", "title": "ds (3)"}]
    assert starter.platform.backend.get("/client/dags", headers=starter.headers).json() == [DAG]
    kinds = {
        kind: starter.platform.backend.post("/client/get-dags", headers=starter.headers, json={"kind_of_dags": kind})
        for kind in ("all", "dataset", "minio", "import")
    }
    assert {kind: answer.json() for kind, answer in kinds.items()} == {
        "all": [DAG], "dataset": [DAG], "minio": [], "import": [],
    }  # fmt: skip
    starter.platform.backend.delete("/client/dataset", headers=starter.headers, params={"name": "ds"})
    schemas = starter.platform.backend.post("/client/get-ui-form-schemas", headers=starter.headers, json={}).json()
    assert schemas[DAG]["data_form"]["__emtpy__"] == "true"


@pytest.mark.parametrize("wanted", ["unknown", "hidden"])
def test_forms_of_a_dag_that_is_not_on_offer_are_a_404_that_names_another_one(starter: Starter, wanted: str) -> None:
    post, body = starter.platform.backend.post, {"dag_id": wanted}
    answer = post("/client/get-ui-form-schemas", headers=starter.headers, json=body)
    assert answer.status_code == 404
    assert f"Dag {DAG} is not in the list" in answer.json()["detail"]
    empty = project_header(starter.platform.new_project())
    assert post("/client/get-ui-form-schemas", headers=empty, json=body).status_code == 500
    assert post("/client/get-ui-form-schemas", headers=empty, json={}).json() == {}
    one = post("/client/get-ui-form-schemas", headers=starter.headers, json={"dag_id": DAG})
    assert list(one.json()) == [DAG]


def test_datasets_are_kept_per_project(starter: Starter) -> None:
    get = starter.platform.backend.get
    assert starter.dataset("POST", name="ds", identifiers=[]).status_code == 409
    assert starter.dataset("PUT", name="ds", action="ADD", identifiers=["1.4", "1.1"]).json()["identifiers"] == [
        "1.1", "1.2", "1.3", "1.4",
    ]  # fmt: skip
    starter.dataset("PUT", name="ds", action="DELETE", identifiers=["1.1"])
    starter.dataset("PUT", name="new", action="UPDATE", identifiers=["2.1"])
    assert {item["name"]: item["identifiers"] for item in get("/client/datasets", headers=starter.headers).json()} == {
        "ds": ["1.2", "1.3", "1.4"],
        "new": ["2.1"],
    }
    other = project_header(starter.platform.new_project())
    missing = get("/client/dataset", headers=other, params={"name": "ds"})
    assert (missing.status_code, missing.json()) == (404, {"detail": "Dataset not found"})
    assert starter.dataset("PUT", name="ds", action="BURN").status_code == 422
    assert starter.dataset("PUT", name="n" * 65, action="ADD").status_code == 500


def test_reports_are_what_lies_as_html_below_the_prefix(starter: Starter) -> None:
    bucket = starter.platform.store.buckets[f"project-{starter.project['name']}"]
    page = "staticwebsiteresults/otsus/run 1/report.html"
    others = ("staticwebsiteresults/index.html", "staticwebsiteresults/a.pdf", "other/b.html")
    bucket.update({page: b"<h1>Otsu</h1>", **dict.fromkeys(others, b"x")})
    get = starter.platform.backend.get
    (folder,) = get("/get-static-website-results", headers=starter.headers).json()
    (run,) = folder["children"]
    (leaf,) = run["children"]
    assert (folder["name"], run["name"], leaf["name"], leaf["file"]) == ("otsus", "run 1", "report.html", "html")
    answer = get(leaf["path"], headers=starter.headers)
    assert (answer.text, answer.headers["content-type"][:9]) == ("<h1>Otsu</h1>", "text/html")
    for key in (*others, "staticwebsiteresults/none.html"):
        path = "/get-static-website-results-html"
        assert get(path, headers=starter.headers, params={"object_name": key}).status_code == 404, key


def test_requests_of_dag_files_during_parsing_are_answered(platform: RunningServices) -> None:
    (platform.services.config.data_dir / "uploads" / "itk").mkdir()
    (platform.services.config.data_dir / "uploads" / "itk" / "a.zip").write_bytes(b"")
    assert platform.backend.get("/client/files").json() == ["itk/a.zip"]
    assert platform.backend.get("/kaapana-backend/client/files", params={"pattern": "*.txt"}).json() == []
    settings = platform.backend.get("/settings/workflows/myDag", headers={"X-Forwarded-Preferred-Username": "system"})
    assert settings.json()["value"] == {}
    assert platform.backend.get("/health-check").status_code == 200


def test_a_route_that_is_not_emulated_is_named(platform: RunningServices) -> None:
    answer = platform.backend.get("/remote/job")
    assert answer.status_code == 404
    assert "GET /remote/job is not emulated" in answer.json()["detail"]


def test_the_only_instance_is_listed_and_jobs_of_federated_runs_are_refused_by_name(starter: Starter) -> None:
    backend = starter.platform.backend
    (instance,) = backend.post("/client/get-kaapana-instances", headers=starter.headers, json={}).json()
    assert instance == backend.get("/client/kaapana-instance", headers=starter.headers).json()
    refused = backend.post("/client/workflow_jobs", headers=starter.headers, json={"federated": True})
    assert refused.status_code == 501
    assert "federated" in refused.json()["detail"]
