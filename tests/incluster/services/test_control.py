from __future__ import annotations

import http.server
import io
import stat
import threading
import zipfile
from typing import Any

import httpx
import pytest

from harness.incluster.services.access.directory import Directory
from harness.incluster.services.config import Limits
from harness.incluster.services.objectstore import MinioStore, ObjectStoreError, Provisioner
from harness.wire.index_documents import IndexedDocuments
from tests.incluster.services import dicom_samples
from tests.incluster.services.running_services import MemoryStore, RunningServices, bearer, zip_of


def upload(platform: RunningServices, project: dict[str, Any], content: bytes, dataset: str = "ds") -> httpx.Response:
    return platform.control.post("/series", params={"project": project["name"], "dataset": dataset}, content=content)


def sample() -> bytes:
    return dicom_samples.encoded(dicom_samples.series(1)[0])


def test_health_needs_no_token_and_everything_else_does(platform: RunningServices) -> None:
    assert platform.control.get("/health", headers={"Authorization": ""}).json() == {"ready": True}
    health = platform.control.get("/health").json()
    assert health["object_store"]
    assert health["listeners"] == dict.fromkeys(
        ["web", "apps", "backend", "search", "ctp_stow", "control", "dimse"], True
    )
    for value in ("Bearer wrong", "Basic dG9rZW4=", "", "Bearer ü"):
        headers = {"Authorization": value.encode()}
        assert platform.control.get("/receipts", headers=headers).status_code == 401
        assert platform.control.delete("/projects/admin", headers=headers).status_code == 401


class LateStore(MemoryStore):
    """A MinIO that comes up at the third question."""

    asked = 0

    def provide_shared(self) -> None:
        self.asked += 1
        self.away = self.asked < 3
        super().provide_shared()


def test_a_minio_that_comes_later_is_asked_until_it_answers() -> None:
    store = LateStore()
    provisioner = Provisioner(store, Directory(system_password="s", user_password="").admin)
    provisioner.start()
    try:
        assert provisioner.done.wait(20)
    finally:
        provisioner.stop()
    assert (store.asked, provisioner.last_error) == (3, "")
    assert set(store.buckets) == {"uploads", "project-admin"}


def test_a_minio_that_does_not_answer_is_an_error_that_names_the_step() -> None:
    store = MinioStore("127.0.0.1:1", "user", "password")
    with pytest.raises(ObjectStoreError, match=r"the shared buckets: .*refused"):
        store.provide_shared()


def test_the_connection_to_a_server_that_is_not_minio_is_not_reused() -> None:
    connections: list[tuple[str, int]] = []

    class OtherServer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            connections.append(self.client_address)
            super().setup()

        def do_PUT(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = MinioStore(f"127.0.0.1:{server.server_port}", "user", "password")
        for _ in range(2):
            with pytest.raises(ObjectStoreError, match="404"):
                store.provide_shared()
        server.shutdown()
    assert len(connections) == 2


def test_several_series_of_one_archive_are_ingested(platform: RunningServices, project: dict[str, Any]) -> None:
    first, second = dicom_samples.series(2), dicom_samples.series(1)
    files = {f"any/name {index}": dicom_samples.encoded(item) for index, item in enumerate([*first, *second])}
    answer = upload(platform, project, zip_of(files))
    expected = {first[0].SeriesInstanceUID: 2, second[0].SeriesInstanceUID: 1}
    assert answer.json() == {"series": expected}
    dataset = platform.services.datasets.get(project["id"], "ds")
    assert dataset is not None
    assert set(dataset["identifiers"]) == set(expected)
    for uid in expected:
        assert platform.services.indices.get(project["opensearch_index"], uid) is not None
        assert platform.services.indices.get("project_admin", uid) is not None


def documents(platform: RunningServices, project: dict[str, Any], **query: Any) -> IndexedDocuments:
    answer = platform.control.get("/documents", params={"project": project["name"], **query})
    return IndexedDocuments.from_json(answer.json())


def test_documents_written_to_an_index_after_a_change_are_handed_out(
    platform: RunningServices, project: dict[str, Any]
) -> None:
    first, second = dicom_samples.series(1), dicom_samples.series(1)
    upload(platform, project, zip_of({"a": dicom_samples.encoded(first[0])}))
    latest = documents(platform, project).latest
    assert documents(platform, project, after=latest).documents == ()
    upload(platform, project, zip_of({"a": dicom_samples.encoded(second[0])}))
    indices, index = platform.services.indices, project["opensearch_index"]
    indices.put(index, first[0].SeriesInstanceUID, {"volume_float": 1.5})
    indices.put("project_admin", "another", {})
    found = documents(platform, project, after=latest)
    assert [one.id for one in found.documents] == [second[0].SeriesInstanceUID, first[0].SeriesInstanceUID]
    assert found.documents[1].source == {"volume_float": 1.5}
    assert found.latest > latest
    assert documents(platform, project).documents == ()
    assert platform.control.get("/documents", params={"project": project["name"], "after": "-1"}).status_code == 422


def test_an_unknown_project_or_no_dataset_is_refused(platform: RunningServices, project: dict[str, Any]) -> None:
    unknown = upload(platform, {"name": "nowhere"}, zip_of({"a": sample()}))
    assert unknown.status_code == 404
    assert project["name"] in unknown.json()["detail"]
    assert upload(platform, project, zip_of({"a": sample()}), dataset="").status_code == 422


@pytest.mark.parametrize("name", ["../evil.dcm", "/etc/evil.dcm", "a/../../evil.dcm", "..\\evil.dcm"])
def test_a_name_that_leaves_the_archive_is_refused(
    platform: RunningServices, project: dict[str, Any], name: str
) -> None:
    answer = upload(platform, project, zip_of({"good.dcm": sample(), name: sample()}))
    assert answer.status_code == 422
    assert "points outside of the archive" in answer.json()["detail"]
    assert not list(platform.config.data_dir.parent.rglob("*evil*"))
    assert platform.services.datasets.get(project["id"], "ds") is None


def test_a_link_in_the_archive_is_refused(platform: RunningServices, project: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    answer = upload(platform, project, buffer.getvalue())
    assert (answer.status_code, "link or a device" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no zip", "cannot be read"),
        (zip_of({}), "holds no file"),
        (zip_of({"notes.txt": b"hello"}), "notes.txt: not a DICOM file"),
        (zip_of({"cut.dcm": sample()[:-10]}), "cut.dcm: the file is truncated: element"),
        (zip_of({"good.dcm": sample()})[:-30], "cannot be read"),
    ],
)
def test_a_file_that_is_not_dicom_is_named_and_removed(
    platform: RunningServices, project: dict[str, Any], content: bytes, message: str
) -> None:
    answer = upload(platform, project, content)
    assert answer.status_code == 422
    assert message in answer.json()["detail"]
    assert not list(platform.config.data_dir.glob("upload-*"))


def test_bombs_and_too_many_entries_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    limits = Limits(zip_floor=1 << 20, zip_ratio=50, zip_entries=10, upload_bytes=4 << 20)
    running = RunningServices(tmp_path_factory.mktemp("bounded"), limits=limits)
    try:
        admin = {"name": "admin"}
        bomb = upload(running, admin, zip_of({"bomb": b"\0" * (3 << 20)}))
        assert (bomb.status_code, "unpacks to more" in bomb.json()["detail"]) == (422, True)
        many = upload(running, admin, zip_of({str(number): b"" for number in range(11)}))
        assert (many.status_code, "11 entries" in many.json()["detail"]) == (422, True)
        assert upload(running, admin, b"\0" * (5 << 20)).status_code == 413
        assert not list(running.config.data_dir.glob("upload-*"))
    finally:
        running.close()


def test_a_forgotten_project_takes_along_what_only_it_had(platform: RunningServices) -> None:
    first, second = platform.new_project(), platform.new_project()
    shared, own, kept = dicom_samples.series(1), dicom_samples.series(1), dicom_samples.series(1)
    for project, datasets in ((first, [*shared, *own]), (second, shared), ({"name": "admin"}, kept)):
        files = {str(index): dicom_samples.encoded(item) for index, item in enumerate(datasets)}
        assert upload(platform, project, zip_of(files)).status_code == 200
    token = platform.project_token(first)
    assert platform.control.delete(f"/projects/{first['name']}").status_code == 204

    uids = [item[0].SeriesInstanceUID for item in (shared, own, kept)]
    assert [len(platform.services.archive.series(uid)) for uid in uids] == [1, 0, 1]
    assert [platform.services.indices.get("project_admin", uid) is not None for uid in uids] == [True, False, True]
    assert platform.services.indices.names(first["opensearch_index"]) == []
    assert platform.aii.get(f"/projects/{first['name']}").status_code == 404
    assert platform.grant(f"project-{first['name']}-system-user", "pass§word").status_code == 401
    assert f"project-{first['name']}" not in platform.store.buckets
    path = f"/studies/{shared[0].StudyInstanceUID}/series/{uids[0]}"
    assert platform.filter.get(path, headers=bearer(token)).status_code == 403
    assert platform.filter.get(path, headers=bearer(platform.project_token(second))).status_code == 200
    assert platform.control.delete("/projects/admin").status_code == 409


@pytest.mark.parametrize("body", [{"timeout_s": "soon"}, {"timeout_s": -1}, ["x"], {"timeout_s": 1e9}])
def test_a_timeout_must_be_a_number_of_seconds(platform: RunningServices, body: Any) -> None:
    answer = platform.control.post("/settle", json=body)
    assert answer.status_code == 422


def test_installers_requests_are_seen(platform: RunningServices) -> None:
    assert platform.kube_helm.get("/health-check").status_code == 200
    status = platform.kube_helm.get("/view-chart-status", params={"release_name": "x"})
    assert status.status_code == 404
    image = {"docker_registry_url": "localhost:5000", "docker_image": "otsus", "docker_version": "0.6.0"}
    assert platform.kube_helm.post("/kube-helm-api/pull-docker-image", json=image).status_code == 202
    assert platform.control.get("/image-pulls").json() == [image]
    install = platform.kube_helm.post("/helm-install-chart", json={"name": "jupyterlab-chart", "version": "1"})
    assert install.status_code == 501
    assert "helm-install-chart ('jupyterlab-chart')" in install.json()["detail"]
