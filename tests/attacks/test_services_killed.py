"""The services' process is killed or starved again and again: nothing that was acknowledged is lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tests.attacks.services_process import ServicesProcess, send
from tests.claimed_ports import claim_ports
from tests.incluster.services import dicom_samples
from tests.incluster.services.running_services import zip_of

KILLS = 10


@pytest.fixture
def services(tmp_path: Path) -> Iterator[ServicesProcess]:
    with claim_ports() as base:
        running = ServicesProcess(tmp_path / "data", base)
        running.start()
        yield running
        running.kill()


def test_nothing_that_was_acknowledged_is_lost_by_ten_kills(services: ServicesProcess) -> None:
    moments = random.Random(14)
    stored: list[Dataset] = []
    uploaded: list[Dataset] = []
    projects: dict[str, str] = {}
    for number in range(KILLS):
        name = f"p{number}"
        created = services.aii.post("/projects", json={"name": name, "description": ""})
        assert created.status_code == 201
        projects[name] = created.json()["id"]
        series = dicom_samples.series(2)
        archive = zip_of({f"{index}.dcm": dicom_samples.encoded(item) for index, item in enumerate(series)})
        params = {"project": name, "dataset": "uploaded"}
        assert services.control.post("/series", params=params, content=archive).status_code == 200
        uploaded += series
        sender = threading.Thread(target=send, args=(services, dicom_samples.series(200), name, stored))
        sender.start()
        # the moment of the kill is what is tried: between two writes, in one, before anything
        time.sleep(moments.uniform(0.05, 1.5))
        services.kill()
        sender.join()
        services.start()
    assert services.control.get("/health").json()["starts"] == KILLS + 1
    settled = services.control.post("/settle", json={"timeout_s": 60})
    assert settled.json() == {"settled": True, "errors": {}}
    assert stored
    assert {item["name"]: item["id"] for item in services.aii.get("/projects").json() if item["name"] != "admin"} == (
        projects
    )
    receipts = services.control.get("/receipts").json()
    assert {item.SOPInstanceUID for item in stored} <= {item["sop_instance_uid"] for item in receipts}
    assert all(item["ingested"] for item in receipts)
    sent = {item.SOPInstanceUID: item for item in stored}
    for receipt in receipts[:: max(1, len(receipts) // 10)]:
        kept = dicom_samples.decoded(services.control.get(f"/receipts/{receipt['id']}/file").content)
        assert kept.PixelData == sent.get(kept.SOPInstanceUID, kept).PixelData
    headers = {"Authorization": f"Bearer {services.token()}"}
    wanted: dict[tuple[str, str], set[str]] = {}
    for item in [*stored, *uploaded]:
        wanted.setdefault((item.StudyInstanceUID, item.SeriesInstanceUID), set()).add(item.SOPInstanceUID)
    for (study, series_uid), instances in wanted.items():
        found = services.filter.get(f"/studies/{study}/series/{series_uid}/instances", headers=headers).json()
        assert instances <= {item["00080018"]["Value"][0] for item in found}


def test_tokens_and_roles_outlive_a_kill(services: ServicesProcess) -> None:
    body = {"name": "kept", "description": "", "harness": {"project_user_password": "word"}}
    project = services.aii.post("/projects", json=body).json()
    dags = [{"software_uuid": "my-dag"}]
    services.aii.post(f"/projects/{project['id']}/software-mappings", json=dags)
    token = services.token()
    services.kill()
    services.start()
    answer = services.filter.get("/data/overview", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert services.aii.get(f"/projects/{project['id']}/software-mappings").json() == dags
    assert services.aii.get("/projects/kept").json() == project


def test_a_full_disk_refuses_what_comes_and_loses_nothing_that_came(services: ServicesProcess) -> None:
    before: list[Dataset] = []
    assert send(services, dicom_samples.series(2), "admin", before) == [0, 0]
    assert services.aii.post("/projects", json={"name": "early", "description": ""}).status_code == 201
    services.limit_files(1)
    for _ in range(3):
        refused = services.aii.post("/projects", json={"name": "late", "description": ""})
        assert refused.status_code == 507
        assert "cannot keep this" in refused.json()["detail"]
        nothing: list[Dataset] = []
        # some of these objects are refused with a status, or with the end of their association
        send(services, dicom_samples.series(2), "admin", nothing)
        assert nothing == []
        archive = zip_of({"1.dcm": dicom_samples.encoded(dicom_samples.series(1)[0])})
        uploaded = services.control.post("/series", params={"project": "admin", "dataset": "d"}, content=archive)
        assert uploaded.status_code == 507
    assert services.control.get("/health").status_code == 200
    services.limit_files(-1)
    # without a restart, and after one
    for number in range(2):
        assert {item["name"] for item in services.aii.get("/projects").json()} == {"admin", "early"} | (
            {"late0"} if number else set()
        )
        assert services.aii.post("/projects", json={"name": f"late{number}", "description": ""}).status_code == 201
        assert send(services, dicom_samples.series(2), "admin", before) == [0, 0]
        assert services.control.post("/settle", json={"timeout_s": 60}).json() == {"settled": True, "errors": {}}
        receipts = services.control.get("/receipts").json()
        assert {item["sop_instance_uid"] for item in receipts} == {item.SOPInstanceUID for item in before}
        services.kill()
        services.start()
