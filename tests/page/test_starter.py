"""Start a run from the page: the form's rules decide, and its evidence is that of any other run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RunError
from harness.page.server import open_page
from tests.checks.made_series import write_series
from tests.page.conftest import Visitor, plain
from tests.page.fake_environment import DAG, RUN, FakeEnvironment, release
from tests.waiting import until

FORM = {
    "workflow_form": {
        "type": "object",
        "properties": {
            "threshold_bins": {"type": "integer", "title": "Bins", "default": 128, "minimum": 2},
            "kind": {"type": "string", "oneOf": [{"const": "a", "title": "First"}, {"const": "b", "title": "Second"}]},
            "name": {"type": "string", "required": True, "default": "otsu"},
        },
    }
}
WITH_DATA = {
    **FORM,
    "data_form": {"type": "object", "properties": {"dataset_name": {"type": "string", "required": True}}},
}


def post(visitor: Visitor, path: str, body: Any) -> Any:
    return visitor.client.post(path, json=body, headers={"Origin": visitor.base})


@pytest.fixture
def environment(environment: FakeEnvironment) -> FakeEnvironment:
    environment.services.forms, environment.services.started = dict(FORM), []
    return environment


def test_the_form_is_drawn_from_the_dags_own(environment: FakeEnvironment, visitor: Visitor) -> None:
    drawn = post(visitor, "/forms", {"dag_id": DAG}).json()
    properties = drawn["schema"]["properties"]["workflow_form"]["properties"]
    assert properties["threshold_bins"] == {"type": "integer", "title": "Bins", "default": 128}
    assert properties["kind"]["enum"] == ["", '"a"', '"b"']
    assert properties["kind"]["options"] == {"enum_titles": [" ", "First", "Second"]}
    assert properties["name"]["title"] == "name (required)"
    assert drawn["takes_input"] is False
    environment.services.forms = dict(WITH_DATA)
    assert post(visitor, "/forms", {"dag_id": DAG}).json()["takes_input"] is True


def test_a_run_starts_with_the_changed_values_and_the_defaults(environment: FakeEnvironment, visitor: Visitor) -> None:
    answer = post(visitor, "/runs", {"dag_id": DAG, "form": {"workflow_form": {"threshold_bins": 64}}})
    assert answer.status_code == 201, answer.text
    assert answer.json() == {"address": f"/run?dag={DAG}&run={RUN}"}
    (body,) = environment.services.posted
    assert body["conf_data"] == {"workflow_form": {"threshold_bins": 64, "name": "otsu"}}
    assert "running" in plain(visitor.text(answer.json()["address"]))


def test_its_evidence_and_its_report_are_there_when_it_has_ended(
    environment: FakeEnvironment, visitor: Visitor, evidence: Path
) -> None:
    post(visitor, "/runs", {"dag_id": DAG})
    environment.airflow.change(DAG, "success")
    environment.airflow.end("success")
    until((evidence / f"{DAG}-1/report.html").exists)
    document = json.loads((evidence / f"{DAG}-1/run.json").read_text("utf-8"))
    assert (document["state"], document["form"]["workflow_form"]["threshold_bins"]) == ("success", 128)
    assert f"/evidence/{DAG}-1/report.html" in visitor.text(f"/run?dag={DAG}&run={RUN}&part=tasks")
    assert visitor.get(f"/evidence/{DAG}-1/report.html").status_code == 200


@pytest.mark.parametrize(
    ("form", "cause"),
    [
        ({"workflow_form": {"threshold_bins": 1}}, "threshold_bins"),
        ({"workflow_form": {"threshold_bins": "many"}}, "threshold_bins"),
        ({"workflow_form": {"name": ""}}, "the required value 'name' is missing"),
        ({"workflow_form": {"kind": "c"}}, "kind"),
        ({"threshold_bin": 1}, "did you mean threshold_bins"),
    ],
)
def test_a_form_that_the_platforms_page_would_refuse_is_refused_with_cause_and_next_step(
    environment: FakeEnvironment, visitor: Visitor, form: dict[str, Any], cause: str
) -> None:
    answer = post(visitor, "/runs", {"dag_id": DAG, "form": form})
    assert answer.status_code == 422
    assert cause in answer.json()["cause"]
    assert set(answer.json()) == {"cause", "last_seen", "fix"}
    assert environment.services.posted == []


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ([], "the request must be an object"),
        ({"dag_id": 1}, "dag_id must be a string"),
        ({"dag_id": DAG, "form": []}, "form must be an object"),
        ({"dag_id": DAG, "sample": "other"}, "there is no sample"),
        ({"dag_id": DAG, "folder": "/nowhere"}, "/nowhere"),
        ({"dag_id": DAG, "folder": "a\0b"}, "folder must be a string"),
        ({"dag_id": "hidden"}, "no user can choose the DAG 'hidden'"),
        ({"dag_id": DAG, "sample": "small_ct"}, "takes no dataset"),
    ],
)
def test_a_request_of_another_shape_is_refused_with_its_field(
    environment: FakeEnvironment, visitor: Visitor, body: Any, cause: str
) -> None:
    answer = post(visitor, "/runs", body)
    assert answer.status_code == 422, answer.text
    assert cause in answer.json()["cause"]
    assert environment.services.posted == []


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b'{"a": NaN}', b"\xff", b" " * (2 << 20)])
def test_invalid_json_is_refused(visitor: Visitor, content: bytes) -> None:
    answer = visitor.client.post("/runs", content=content, headers={"Origin": visitor.base})
    assert answer.status_code == 422
    assert answer.json()["cause"].startswith("the request ")


def test_a_run_of_another_site_is_not_started(environment: FakeEnvironment, visitor: Visitor) -> None:
    for origin in ("http://evil.example", "null"):
        answer = visitor.client.post("/runs", json={"dag_id": DAG}, headers={"Origin": origin})
        assert answer.status_code == 403
    assert visitor.client.post("/runs", json={"dag_id": DAG}).status_code == 403
    assert environment.services.posted == []
    assert environment.made == []


def test_the_platforms_refusal_comes_in_its_words(environment: FakeEnvironment, visitor: Visitor) -> None:
    environment.services.refusal = RunError("the platform refuses to start it", fix="add the software")
    answer = post(visitor, "/runs", {"dag_id": DAG})
    assert (answer.status_code, answer.json()["fix"]) == (422, "add the software")


def test_a_dataset_is_a_folder_of_this_machine_and_lies_under_what_is_received(
    environment: FakeEnvironment, visitor: Visitor, tmp_path: Path
) -> None:
    environment.services.forms = dict(WITH_DATA)
    assert "needs a dataset" in post(visitor, "/runs", {"dag_id": DAG}).json()["cause"]
    folder = write_series(tmp_path / "series", uid="1.2.3.4")
    assert post(visitor, "/runs", {"dag_id": DAG, "folder": str(folder)}).status_code == 201
    ((project, name),) = environment.services.uploads
    assert project == environment.made[0]
    assert environment.services.posted[0]["conf_data"]["data_form"]["dataset_name"] == name


def test_the_page_has_one_project_which_goes_with_it_and_its_runs(environment: Any, evidence: Path) -> None:
    said: list[str] = []
    with open_page(environment, evidence, say=said.append) as address:
        visitor = Visitor(address)
        visitor.enter()
        assert environment.made == []
        post(visitor, "/forms", {"dag_id": DAG})
        post(visitor, "/runs", {"dag_id": DAG})
        assert len(environment.made) == 1
        assert environment.removed == []
    assert environment.removed == environment.made
    assert environment.airflow.aborted == [RUN]
    assert said == [f"aborting {RUN}"]
    # its evidence up to that point is still written
    assert json.loads((evidence / f"{DAG}-1/run.json").read_text("utf-8"))["state"] == "failed"


def test_a_run_without_evidence_says_why(
    environment: FakeEnvironment, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(visitor, "/runs", {"dag_id": DAG})
    lost = RunError("the receiver does not answer")

    def settle(timeout_s: float) -> bool:
        raise lost

    monkeypatch.setattr(environment.services, "settle", settle)
    environment.airflow.end("success")
    until(lambda: "the receiver does not answer" in visitor.text(f"/run?dag={DAG}&run={RUN}&part=tasks"))


def test_only_dags_that_users_can_choose_have_a_way_to_start(environment: FakeEnvironment, visitor: Visitor) -> None:
    assert f'href="/start?dag={DAG}"' in visitor.text("/parts/extensions")
    environment.cluster.api.releases = [release(visible=False)]
    text = visitor.text("/parts/extensions")
    assert "/start?" not in text
    assert "no user can choose it" in text
