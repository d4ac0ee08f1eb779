"""The programs against the services of the harness: both sides of the wire are the real ones."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import urllib3.connection

from tests.processing.processing_runs import SERIES, series
from tests.services.running_services import CLIENT_SECRET, RunningServices

LIBRARY = Path(__file__).parents[2] / "harness" / "images" / "base-python-cpu"


@pytest.fixture
def services(tmp_path, monkeypatch):
    """The services under the platform's own names, which lead to the ports of this test."""
    running = RunningServices(tmp_path / "services")
    ports = {
        ("keycloak-external-service.admin.svc", 80): running.ports.web,
        ("dicom-web-filter-service.services.svc", 8080): running.ports.apps,
        ("opensearch-service.services.svc", 9200): running.ports.search,
    }
    connect = urllib3.connection.connection.create_connection

    def to_this_machine(address, *args, **kwargs):
        host, port = address
        return connect(("127.0.0.1", ports[host, int(port)]), *args, **kwargs)

    monkeypatch.setattr(urllib3.connection.connection, "create_connection", to_this_machine)
    yield running
    running.close()


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


def test_what_dcmsend_sends_arrives_under_the_project_and_the_dataset_of_its_titles(
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
