"""The programs against the services of the harness: both sides of the wire are the real ones."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pydicom
import pytest

from harness.incluster.programs import local_metadata
from harness.incluster.programs.common import RunFolder
from tests.incluster.programs.program_runs import SERIES, series
from tests.incluster.services.running_services import CLIENT_SECRET

LIBRARY = Path(__file__).parents[3] / "harness" / "images" / "base-python-cpu"


@pytest.fixture
def project(services, run_folder):
    created = services.new_project()
    run_folder.env |= {
        "KEYCLOAK_URL": "http://keycloak-external-service.admin.svc:80",
        "KAAPANA_PROJECT_USER_NAME": f"project-{created['name']}-system-user",
        "KAAPANA_PROJECT_USER_PASSWORD": "pass§word",
        "KAAPANA_CLIENT_SECRET": CLIENT_SECRET,
        "OPERATOR_OUT_DIR": "get-input-data",
    }
    return created


@pytest.mark.parametrize("data_type", ["dicom", "all"])
def test_get_input_brings_what_was_sent_to_the_project(execute, run_folder, services, project, tmp_path, data_type):
    paths = series(tmp_path / "in", slices=3)
    assert services.send_series(project, "mine", [path.read_bytes() for path in paths]).status_code == 200
    run_folder.conf(project_form=project, data_form={"identifiers": [SERIES]})
    ended = execute("get-input", DATA_TYPE=data_type)
    assert ended.status == 0, ended.errors
    folder = run_folder.element("get-input-data")
    assert {path.name for path in folder.glob("*.dcm")} == {path.name for path in paths}
    if data_type == "all":
        document = json.loads((folder / "metadata.json").read_text())
        assert document["0020000E SeriesInstanceUID_keyword"] == SERIES


def test_get_input_does_not_find_what_belongs_to_another_project(execute, run_folder, services, project, tmp_path):
    other = services.new_project()
    files = [path.read_bytes() for path in series(tmp_path / "in", slices=1)]
    assert services.send_series(other, "theirs", files).status_code == 200
    run_folder.conf(project_form=project, data_form={"identifiers": [SERIES]})
    ended = execute("get-input")
    assert ended.status == 1
    assert "none of the 1 identifier(s)" in ended.cause


def test_references_bring_the_image_and_the_other_series_of_the_study(execute, run_folder, services, project, tmp_path):
    other = f"{SERIES}.9"
    for uid in (SERIES, other):
        files = [path.read_bytes() for path in series(tmp_path / uid, slices=2, uid=uid)]
        assert services.send_series(project, "mine", files).status_code == 200
    item = pydicom.Dataset()
    item.SeriesInstanceUID = SERIES
    own = f"{SERIES}.77"
    references = {"Modality": "SEG", "ReferencedSeriesSequence": pydicom.Sequence([item])}
    series(run_folder.element("seg", uid=own), slices=1, uid=own, **references)
    run_folder.conf(project_form=project)
    ended = execute("get-ref-series", OPERATOR_IN_DIR="seg", OPERATOR_OUT_DIR="ref")
    assert ended.status == 0, ended.errors
    assert len(list(run_folder.element("ref", uid=own).glob("*.dcm"))) == 2
    env = {"OPERATOR_IN_DIR": "seg", "OPERATOR_OUT_DIR": "study", "SEARCH_POLICY": "study_uid", "MODALITIES": '["MR"]'}
    ended = execute("get-ref-series", **env)
    assert ended.status == 0, ended.errors
    assert {path.name for path in run_folder.element("study", uid=own).iterdir()} == {SERIES, other}


def test_documents_tags_and_datasets_reach_the_index_and_the_backend(
    execute, run_folder, services, project, tmp_path, monkeypatch
):
    files = [path.read_bytes() for path in series(tmp_path / "in", slices=1)]
    assert services.send_series(project, "mine", files).status_code == 200
    run_folder.conf(project_form=project, data_form={"identifiers": [SERIES]})
    series(run_folder.element("dicom"), slices=1)
    (run_folder.element("algo") / "result.json").write_text('{"00000000 Score_float": 0.5}')
    ended = execute("json2meta", OPERATOR_IN_DIR="algo", DICOM_OPERATOR_OUT_DIR="dicom")
    assert ended.status == 0, ended.errors
    ended = execute("get-input", DATA_TYPE="json")
    assert ended.status == 0, ended.errors
    document = json.loads((run_folder.element("get-input-data") / "metadata.json").read_text())
    assert document["00000000 Score_float"] == 0.5
    for name, value in run_folder.env.items():
        monkeypatch.setenv(name, value)
    run = RunFolder(run_folder.root, "batch")
    field = "00000000 Tags_keyword"
    local_metadata.tag(
        run,
        "get-input-data",
        index=project["opensearch_index"],
        field=field,
        action="add",
        tags="checked",
        from_file=False,
        file_fields=[],
    )
    assert execute("get-input", DATA_TYPE="json").status == 0
    assert json.loads((run_folder.element("get-input-data") / "metadata.json").read_text())[field] == ["checked"]


def test_a_notification_reaches_the_user_who_started_the_workflow(execute, run_folder, services, project):
    run_folder.conf(project_form=project, workflow_form={"username": "kaapana"})
    run_folder.element("x")
    ended = execute("notify", TITLE="Done", DESCRIPTION="all of it", DAG_ID="my-dag")
    assert ended.status == 0, ended.errors
    (user,) = [user for user in services.aii.get("/users").json() if user["username"] == "kaapana"]
    (sent,) = services.notification.get("/v1/", headers={"x-forwarded-user": user["id"]}).json()
    assert (sent["title"], sent["topic"], sent["receivers"]) == ("Done", "my-dag", [user["id"]])


def test_objects_of_dcmsend_arrive_under_the_project_and_the_dataset_of_its_titles(
    execute_tool, run_folder, services, project
):
    series(run_folder.element("nrrd2dcmseg"), slices=2)
    run_folder.conf(project_form=project, workflow_form={})
    env = {"OPERATOR_IN_DIR": "nrrd2dcmseg", "PACS_HOST": "127.0.0.1", "AETITLE": "kp-results"}
    called = f"kp-{project['name']}"
    ended = execute_tool("dcmsend", **env, PACS_PORT=str(services.ports.dimse), CALLED_AE_TITLE_SCP=called)
    assert ended.status == 0, ended.errors
    services.settle()
    receipts = services.control.get("/receipts", params={"project": project["name"]}).json()
    assert [(r["series_instance_uid"], r["dataset"], r["ingested"]) for r in receipts] == [
        (SERIES, "results", True)
    ] * 2


def test_kaapanapy_finds_and_downloads_a_series_of_the_project(services, project, run_folder, tmp_path, monkeypatch):
    pytest.importorskip("pydantic_settings", reason="the base image has it, hosts need not")
    files = [path.read_bytes() for path in series(tmp_path / "in", slices=3)]
    assert services.send_series(project, "mine", files).status_code == 200
    for name, value in run_folder.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(LIBRARY))
    try:
        opensearch = importlib.import_module("kaapanapy.helper.HelperOpensearch").HelperOpensearch()
        (found,) = opensearch.get_dcm_uid_objects(project["opensearch_index"], [SERIES, "9.9"])
        study = found["dcm-uid"]["study-uid"]
        web = importlib.import_module("kaapanapy.helper.HelperDcmWeb").HelperDcmWeb()
        assert web.check_if_series_in_archive(SERIES, study)
        assert web.download_series(study, SERIES, tmp_path / "out") is True
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "kaapanapy"]:
            del sys.modules[name]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{SERIES}.{n}.dcm" for n in (1, 2, 3)}
