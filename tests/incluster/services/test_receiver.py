from __future__ import annotations

import datetime
import io
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import CTImageStorage, SegmentationStorage, Verification

from harness.incluster.services.config import Limits
from harness.incluster.services.dicom import inbox
from tests.incluster.services import dicom_samples
from tests.incluster.services.running_services import RunningServices, bearer


def associate(platform: RunningServices, *, calling: str, called: str) -> Association:
    ae = AE(ae_title=calling)
    for context in (CTImageStorage, SegmentationStorage):
        ae.add_requested_context(context, [ExplicitVRLittleEndian])
    association = ae.associate("127.0.0.1", platform.ports.dimse, ae_title=called)
    assert association.is_established
    return association


def send(platform: RunningServices, datasets: Sequence[Dataset], *, calling: str, called: str) -> list[int]:
    """C-STORE over one association; returns the status of each."""
    association = associate(platform, calling=calling, called=called)
    try:
        return [int(association.send_c_store(item).Status) for item in datasets]
    finally:
        association.release()


def receipts(platform: RunningServices, project: dict[str, Any], **params: str) -> list[dict[str, Any]]:
    return platform.control.get("/receipts", params={"project": project["name"], **params}).json()


def test_any_ae_title_may_echo(platform: RunningServices) -> None:
    ae = AE(ae_title="MODALITY")
    ae.add_requested_context(Verification, [ImplicitVRLittleEndian])
    association = ae.associate("127.0.0.1", platform.ports.dimse, ae_title="ANY-AET")
    assert association.send_c_echo().Status == 0
    association.release()


def test_a_sent_series_goes_the_platforms_whole_way(platform: RunningServices, project: dict[str, Any]) -> None:
    before = datetime.datetime.now(datetime.timezone.utc).isoformat()
    datasets = dicom_samples.series(3)
    name = project["name"]
    assert send(platform, datasets, calling="kp-results", called=f"kp-{name}") == [0, 0, 0]
    assert platform.settle() == {"settled": True, "errors": {}}

    found = receipts(platform, project, since=before)
    assert [item["sop_instance_uid"] for item in found] == [item.SOPInstanceUID for item in datasets]
    first = found[0]
    assert (first["calling_ae"], first["called_ae"]) == ("kp-results", f"kp-{name}")
    assert (first["project"], first["dataset"]) == (name, "results")
    assert first["peer"] == "127.0.0.1"
    assert first["sop_class"] == CTImageStorage
    assert first["series_instance_uid"] == datasets[0].SeriesInstanceUID
    assert all(item["ingested"] and not item["error"] for item in found)
    later = datetime.datetime.now(datetime.timezone.utc).isoformat()
    assert receipts(platform, project, since=later) == []

    kept = dicom_samples.decoded(platform.control.get(f"/receipts/{first['id']}/file").content)
    assert (kept.ClinicalTrialSponsorName, kept.ClinicalTrialProtocolID) == ("kp-results", f"kp-{name}")
    assert kept.PixelData == datasets[0].PixelData

    series, study = datasets[0].SeriesInstanceUID, datasets[0].StudyInstanceUID
    headers = bearer(platform.project_token(project))
    metadata = platform.filter.get(f"/studies/{study}/series/{series}/metadata", headers=headers).json()
    assert len(metadata) == 3
    assert not {"00120010", "00120020"} & metadata[0].keys()

    admin = platform.services.directory.admin
    for index in (project["opensearch_index"], admin.index):
        stored = platform.services.indices.get(index, series)
        assert stored is not None, index
        assert stored.source["00120010 ClinicalTrialSponsorName_keyword"] == "results"
        assert stored.source["00120020 ClinicalTrialProtocolID_keyword"] == name
        assert stored.source["00080018 SOPInstanceUID_keyword"] == datasets[0].SOPInstanceUID
    for project_id in (project["id"], admin.id):
        dataset = platform.services.datasets.get(project_id, "results")
        assert dataset is not None
        assert series in dataset["identifiers"]
    assert set(platform.filter.get(f"/data/{series}/projects", headers=headers).json()) == {project["id"], admin.id}


def test_titles_without_prefix_mean_admin_and_a_time_stamp(platform: RunningServices) -> None:
    datasets = dicom_samples.series(1)
    assert send(platform, datasets, calling="SCANNER", called="ANY-SCP") == [0]
    platform.settle()
    stored = platform.services.indices.get("project_admin", datasets[0].SeriesInstanceUID)
    assert stored is not None
    assert stored.source["00120020 ClinicalTrialProtocolID_keyword"] == "admin"
    stamp = stored.source["00120010 ClinicalTrialSponsorName_keyword"]
    datetime.datetime.strptime(stamp, "%y-%m-%d-%H:%M:%S%f")


def test_an_object_of_an_unknown_project_is_archived_for_admin_with_a_notice(platform: RunningServices) -> None:
    datasets = dicom_samples.series(1)
    send(platform, datasets, calling="kp-d", called="kp-nowhere")
    errors = platform.settle()["errors"]
    assert "there is no project 'nowhere'" in next(iter(errors.values()))
    assert platform.services.archive.series(datasets[0].SeriesInstanceUID)
    assert platform.services.indices.get("project_admin", datasets[0].SeriesInstanceUID) is not None


def test_the_same_object_twice_is_two_receipts_and_one_archived_object(
    platform: RunningServices, project: dict[str, Any]
) -> None:
    datasets = dicom_samples.series(1)
    send(platform, [*datasets, *datasets], calling="kp-d", called=f"kp-{project['name']}")
    platform.settle()
    assert len(receipts(platform, project)) == 2
    assert len(platform.services.archive.series(datasets[0].SeriesInstanceUID)) == 1


class RawStore:
    """Sends bytes as they are: what no well-behaved library would send."""

    def __init__(self, platform: RunningServices, called: str) -> None:
        ae = AE(ae_title="kp-raw")
        ae.add_requested_context(CTImageStorage, [ExplicitVRLittleEndian])
        self.association = ae.associate("127.0.0.1", platform.ports.dimse, ae_title=called)
        assert self.association.is_established

    def send(self, body: bytes, sop_instance: str) -> int:
        request = C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, sop_instance
        request.DataSet = io.BytesIO(body)
        # as the library's own send_c_store: the association's thread would take the answer away
        self.association._reactor_checkpoint.clear()
        while not self.association._is_paused:
            time.sleep(0.01)
        try:
            self.association.dimse.send_msg(request, 1)
            _, answer = self.association.dimse.get_msg(True)
        finally:
            self.association._reactor_checkpoint.set()
        return int(answer.Status)


def body_of(dataset: Dataset) -> bytes:
    data = dicom_samples.encoded(dataset)
    # group 0002 ends where its length element says
    return data[144 + struct.unpack("<I", data[140:144])[0] :]


def test_broken_objects_get_a_failure_status_and_leave_no_receipt(
    platform: RunningServices, project: dict[str, Any]
) -> None:
    raw = RawStore(platform, f"kp-{project['name']}")
    dataset = dicom_samples.series(1)[0]
    body, uid = body_of(dataset), dataset.SOPInstanceUID
    try:
        assert raw.send(body[:-7], uid) == 0xC000
        assert raw.send(b"\xff" * 1000, uid) == 0xC000
        assert raw.send(body, generate_uid()) == 0xA900
        series = dataset.SeriesInstanceUID.encode()
        assert raw.send(body.replace(series, (b"../" * 30)[: len(series)]), uid) == 0xC000
        assert receipts(platform, project) == []
        assert raw.send(body, uid) == 0
    finally:
        raw.association.release()
    platform.settle()
    assert len(receipts(platform, project)) == 1


def test_settling_waits_for_an_open_association_and_says_so(platform: RunningServices) -> None:
    ae = AE()
    ae.add_requested_context(Verification)
    association = ae.associate("127.0.0.1", platform.ports.dimse)
    answer = platform.control.post("/settle", json={"timeout_s": 0.2})
    assert answer.status_code == 504
    assert answer.json()["pending"]["associations"] == 1
    assert answer.json()["detail"].startswith("not settled within 0.2 s: 1 open associations")
    association.release()
    platform.settle()


def test_a_series_is_not_ingested_before_it_is_quiet(tmp_path_factory: pytest.TempPathFactory) -> None:
    running = RunningServices(tmp_path_factory.mktemp("patient"), quiet_s=3600.0)
    try:
        dataset = dicom_samples.series(1)[0]
        send(running, [dataset], calling="kp-d", called="kp-admin")
        answer = running.control.post("/settle", json={"timeout_s": 0.5})
        assert answer.status_code == 504
        assert answer.json()["pending"]["series"] == [dataset.SeriesInstanceUID]
        assert [item["ingested"] for item in running.control.get("/receipts").json()] == [False]
    finally:
        running.close()


def test_a_sender_may_pause_within_a_series(
    platform: RunningServices, project: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "SILENT_S", 3600.0)
    first, second = dicom_samples.series(2)
    association = associate(platform, calling="kp-d", called=f"kp-{project['name']}")
    association.send_c_store(first)
    answer = platform.control.post("/settle", json={"timeout_s": 1.0})
    assert answer.json()["pending"]["series"] == [first.SeriesInstanceUID]
    association.send_c_store(second)
    association.release()
    platform.settle()
    stored = platform.services.indices.get(project["opensearch_index"], first.SeriesInstanceUID)
    assert stored is not None
    # a second ingestion of the series would have replaced it
    assert stored.source["00080018 SOPInstanceUID_keyword"] == first.SOPInstanceUID


def test_associations_that_follow_each_other_make_one_series(
    platform: RunningServices, project: dict[str, Any]
) -> None:
    datasets = dicom_samples.series(2)
    for dataset in datasets:
        send(platform, [dataset], calling="kp-d", called=f"kp-{project['name']}")
    platform.settle()
    assert [item["ingested"] for item in receipts(platform, project)] == [True, True]
    assert len(platform.services.archive.series(datasets[0].SeriesInstanceUID)) == 2


@pytest.mark.parametrize("greeting", [b"", b"GET / HTTP/1.0\r\n\r\n", b"\x01\x00\xff\xff\xff\xff"])
def test_a_connection_without_dicom_is_closed(platform: RunningServices, greeting: bytes) -> None:
    with socket.create_connection(("127.0.0.1", platform.ports.dimse)) as peer:
        peer.sendall(greeting)
    platform.settle()


def test_a_peer_that_vanishes_in_the_middle_of_an_object_is_forgotten(
    platform: RunningServices, project: dict[str, Any]
) -> None:
    raw = RawStore(platform, f"kp-{project['name']}")
    dul = raw.association.dul
    assert dul.socket is not None
    peer = dul.socket.socket
    assert peer is not None
    peer.sendall(b"\x04\x00\x00\x01\x00\x00" + b"\x00" * 50)
    peer.shutdown(socket.SHUT_RDWR)
    platform.settle()
    raw.association.abort()
    assert receipts(platform, project) == []


def test_an_object_beyond_the_limit_is_cut_off_and_leaves_nothing(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    running = RunningServices(tmp_path_factory.mktemp("limited"), limits=Limits(object_bytes=100_000))
    try:
        raw = RawStore(running, "kp-admin")
        dataset = dicom_samples.series(1)[0]
        done = threading.Event()

        def push() -> None:
            try:
                raw.send(body_of(dataset) + b"\0" * 3_000_000, dataset.SOPInstanceUID)
            except AttributeError:
                pass  # there is no answer to read a status from
            finally:
                done.set()

        threading.Thread(target=push, daemon=True).start()
        assert done.wait(20)
        running.settle()
        assert running.control.get("/receipts").json() == []
        assert list(temporary.iterdir()) == []
    finally:
        running.close()


def test_the_stow_port_files_under_admin(platform: RunningServices) -> None:
    dataset = dicom_samples.series(1)[0]
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + dicom_samples.encoded(dataset) + b"\r\n--b--\r\n"
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    assert platform.stow.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    platform.settle()
    assert platform.services.indices.get("project_admin", dataset.SeriesInstanceUID) is not None
