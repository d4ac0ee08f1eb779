from __future__ import annotations

import io
import json
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from requests_toolbelt.multipart.decoder import MultipartDecoder

from tests.incluster.services import dicom_samples
from tests.incluster.services.running_services import RunningServices, bearer


class Seeded:
    """One project with one series of two slices, and a second project without."""

    def __init__(self, platform: RunningServices) -> None:
        self.platform = platform
        self.project, self.other = platform.new_project(), platform.new_project()
        self.datasets = dicom_samples.series(2, ClinicalTrialProtocolID="kp-x", ClinicalTrialSponsorName="kp-y")
        self.study, self.series = self.datasets[0].StudyInstanceUID, self.datasets[0].SeriesInstanceUID
        answer = platform.send_series(self.project, "ds", [dicom_samples.encoded(item) for item in self.datasets])
        assert answer.json() == {"series": {self.series: 2}}, answer.text
        self.path = f"/studies/{self.study}/series/{self.series}"
        self.mine = bearer(platform.project_token(self.project))
        self.foreign = bearer(platform.project_token(self.other))
        self.admin = bearer(platform.system_token())

    def get(self, path: str, headers: dict[str, str] | None = None, **params: str) -> httpx.Response:
        return self.platform.filter.get(path, headers=headers or self.mine, params=params)


@pytest.fixture(scope="module")
def seeded(platform: RunningServices) -> Seeded:
    return Seeded(platform)


def parts_of(answer: httpx.Response) -> list[Dataset]:
    """As kaapanapy takes an answer apart."""
    decoder = MultipartDecoder(answer.content, answer.headers["content-type"])
    assert {part.headers[b"Content-Type"] for part in decoder.parts} == {b"application/dicom"}
    return [pydicom.dcmread(io.BytesIO(part.content)) for part in decoder.parts]


def test_a_series_is_found_and_downloaded_as_kaapanapy_does(seeded: Seeded) -> None:
    headers = {**seeded.mine, "x-forwarded-access-token": seeded.mine["Authorization"].split()[1], "Accept": "*/*"}
    instances = seeded.get(f"{seeded.path}/instances", headers)
    assert instances.headers["content-type"].startswith("application/dicom+json")
    assert {item["0020000D"]["Value"][0] for item in instances.json()} == {seeded.study}
    assert [item["00080018"]["Value"][0] for item in instances.json()] == [d.SOPInstanceUID for d in seeded.datasets]
    answer = seeded.get(seeded.path, headers)
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    received = parts_of(answer)
    for sent, got in zip(seeded.datasets, received, strict=True):
        assert "ClinicalTrialProtocolID" not in got
        assert "ClinicalTrialSponsorName" not in got
        assert got.PixelData == sent.PixelData
        assert got.PatientName == sent.PatientName


def test_the_forwarded_token_alone_is_enough(seeded: Seeded) -> None:
    token = seeded.mine["Authorization"].split()[1]
    assert seeded.get(seeded.path, {"x-forwarded-access-token": token}).status_code == 200


def test_wado_uri_gives_one_object(seeded: Seeded) -> None:
    wanted = seeded.datasets[1]
    query = {"requestType": "WADO", "studyUID": seeded.study, "seriesUID": seeded.series}
    answer = seeded.get("/wado-uri/wado", objectUID=wanted.SOPInstanceUID, **query)
    assert dicom_samples.decoded(answer.content).InstanceNumber == 2
    assert seeded.get("/wado-uri/wado", seeded.foreign, objectUID=wanted.SOPInstanceUID, **query).status_code == 403
    assert seeded.get("/wado-uri/wado", objectUID="1.2", **query).status_code == 500


def test_metadata_is_dicom_json_without_pixels(seeded: Seeded) -> None:
    documents = seeded.get(f"{seeded.path}/metadata").json()
    assert len(documents) == 2
    assert documents[0]["00100010"]["Value"] == [{"Alphabetic": "Müller^Ada"}]
    assert "7FE00010" not in documents[0]
    one = seeded.get(f"{seeded.path}/instances/{seeded.datasets[0].SOPInstanceUID}")
    assert len(parts_of(one)) == 1


def test_metadata_of_a_study_that_is_mapped_in_part_is_arrays_one_behind_the_other(platform: RunningServices) -> None:
    project, other = platform.new_project(), platform.new_project()
    study = generate_uid()
    mine, foreign = bearer(platform.project_token(project)), bearer(platform.project_token(other))

    def bring(where: dict[str, Any], count: int) -> None:
        files = [dicom_samples.encoded(item) for item in dicom_samples.series(count, study=study)]
        assert platform.send_series(where, "ds", files).status_code == 200

    def metadata(headers: dict[str, str]) -> str:
        answer = platform.filter.get(f"/studies/{study}/metadata", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom+json")
        return answer.text

    bring(project, 1)
    bring(project, 2)
    assert len(json.loads(metadata(mine))) == 3
    assert metadata(foreign) == ""
    bring(other, 4)
    # all that one project has, but not all of the study
    text = metadata(mine)
    with pytest.raises(ValueError, match="Extra data"):
        json.loads(text)
    assert sorted(map(len, _documents(text))) == [1, 2]
    assert len(json.loads(metadata(foreign))) == 4
    assert len(json.loads(metadata(bearer(platform.system_token())))) == 7


def _documents(text: str) -> list[list[Any]]:
    """The JSON arrays that stand one behind the other in a text."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text):
        document, at = decoder.raw_decode(text, at)
        found.append(document)
    return found


def test_another_projects_user_sees_nothing(seeded: Seeded) -> None:
    for path in ("/studies", f"/studies/{seeded.study}/series", f"{seeded.path}/instances"):
        answer = seeded.get(path, seeded.foreign)
        assert (answer.status_code, answer.content) == (204, b""), path
    for path in (seeded.path, f"{seeded.path}/metadata", f"{seeded.path}/instances/1.2", f"/studies/{seeded.study}"):
        answer = seeded.get(path, seeded.foreign)
        assert (answer.status_code, answer.content) == (403, b""), path


def test_a_realm_admin_sees_everything(seeded: Seeded) -> None:
    assert seeded.study in {item["0020000D"]["Value"][0] for item in seeded.get("/studies", seeded.admin).json()}
    assert len(parts_of(seeded.get(f"/dicom-web-filter{seeded.path}", seeded.admin))) == 2


def test_without_a_token_the_guide_says_403(seeded: Seeded) -> None:
    for headers in ({"x": "y"}, bearer("garbage")):
        answer = seeded.get("/studies", headers)
        assert answer.status_code == 403
        assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"SeriesInstanceUID": "{series}"}, True),
        ({"0020000E": "{series}"}, True),
        ({"SeriesInstanceUID": "1.2,{series}"}, True),
        ({"SeriesInstanceUID": "1.2"}, False),
        ({"Modality": "CT"}, True),
        ({"Modality": "MR"}, False),
        ({"PatientName": "müller*"}, True),
        ({"PatientID": "pat-?"}, True),
        ({"PatientID": "pat"}, False),
        ({"StudyDate": "20240101-20241231"}, True),
        ({"StudyDate": "-20240613"}, False),
        ({"SliceThickness": "2.5"}, True),
        ({"SliceThickness": "3"}, False),
    ],
)
def test_series_are_matched_by_attributes(seeded: Seeded, params: dict[str, str], found: bool) -> None:
    query = {key: value.format(series=seeded.series) for key, value in params.items()}
    answer = seeded.get(f"/studies/{seeded.study}/series", **query)
    assert answer.status_code == (200 if found else 204), answer.text


def test_limit_offset_and_includefield_shape_the_answer(seeded: Seeded) -> None:
    path = f"{seeded.path}/instances"
    assert [item["00200013"]["Value"] for item in seeded.get(path, limit="1", offset="1").json()] == [[2]]
    assert len(seeded.get(path, limit="0").json()) == 2
    assert "00180050" not in seeded.get(path).json()[0]
    assert seeded.get(path, includefield="SliceThickness").json()[0]["00180050"]["Value"] == [2.5]
    assert seeded.get(path, includefield="all").json()[0]["00180050"]["Value"] == [2.5]
    assert seeded.get(path, NoSuchAttribute="1").status_code == 500


def test_a_request_that_is_not_emulated_is_refused_as_such(seeded: Seeded) -> None:
    answer = seeded.get(f"{seeded.path}/rendered")
    assert answer.status_code == 501
    assert "rendered" in answer.json()["detail"]


def stow(platform: RunningServices, token: str, files: list[bytes], info: Any, *, cut: int = 0) -> httpx.Response:
    boundary = "0f3cf5c0-70e0-41ef-baef-c6f9f65ec3e1"
    body = b"".join(
        b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (boundary.encode(), data) for data in files
    )
    body += f"--{boundary}--".encode()
    headers = {**bearer(token), "Content-Type": f"multipart/related; type=application/dicom; boundary={boundary}"}
    params = {} if info is None else {"clinical_trial_protocol_info": json.dumps(info)}
    return platform.filter.post("/studies", headers=headers, params=params, content=body[: len(body) - cut])


def test_stow_archives_and_maps_to_the_admin_project_only(platform: RunningServices, project: dict[str, Any]) -> None:
    token = platform.project_token(project)
    datasets = dicom_samples.series(3)
    study, uid = datasets[0].StudyInstanceUID, datasets[0].SeriesInstanceUID
    info = {uid: {"study_instance_uid": study, "protocol_id": "p", "protocol_name": "p", "site_id": "s"}}
    answer = stow(platform, token, [dicom_samples.encoded(item) for item in datasets], info)
    assert (answer.status_code, answer.content) == (200, b"")
    path = f"/studies/{study}/series/{uid}"
    assert platform.filter.get(path, headers=bearer(token)).status_code == 403
    assert len(parts_of(platform.filter.get(path, headers=bearer(platform.system_token())))) == 3
    admin = platform.aii.get("/projects/admin").json()
    assert platform.filter.get(f"/data/{uid}/projects", headers=bearer(token)).json() == [admin["id"]]


def test_stow_refuses_what_is_broken_and_keeps_nothing(platform: RunningServices, project: dict[str, Any]) -> None:
    token = platform.project_token(project)
    good = dicom_samples.series(1)[0]
    info = {good.SeriesInstanceUID: {"study_instance_uid": good.StudyInstanceUID}}
    data = dicom_samples.encoded(good)
    assert stow(platform, token, [data], None).status_code == 422
    truncated = stow(platform, token, [data[:-9]], info)
    assert truncated.status_code == 500
    assert "part 1 of 1 (409): the file is truncated" in truncated.json()["detail"]
    assert stow(platform, token, [data], {"../../x": {"study_instance_uid": "1.2"}}).status_code == 500
    cut = stow(platform, token, [data], info, cut=30)
    assert cut.status_code == 400
    assert "closing boundary" in cut.json()["detail"]
    headers = bearer(platform.system_token())
    path = f"/studies/{good.StudyInstanceUID}/series/{good.SeriesInstanceUID}/instances"
    assert platform.filter.get(path, headers=headers).status_code == 204
    assert not list(platform.config.data_dir.glob("stow-*"))


def test_mapping_routes_are_as_lenient_as_the_platform(platform: RunningServices, project: dict[str, Any]) -> None:
    headers, uid, pid = bearer(platform.project_token(project)), generate_uid(), project["id"]
    missing = platform.filter.put(f"/projects/{pid}/data/{uid}", headers=headers)
    assert (missing.status_code, missing.headers["content-type"][:10]) == (200, "text/plain")
    row = platform.filter.put(f"/data/{uid}", params={"study_uid": "1.2", "description": "d"}, headers=headers)
    assert row.json() == {"series_instance_uid": uid, "study_instance_uid": "1.2", "description": "d"}
    again = platform.filter.put(f"/data/{uid}", params={"study_uid": "1.2"}, headers=headers)
    assert (again.status_code, again.headers["content-type"][:10]) == (200, "text/plain")
    mapping = platform.filter.put(f"/projects/{pid}/data/{uid}", headers=headers)
    assert mapping.json() == {"series_instance_uid": uid, "project_id": pid}
    assert platform.filter.get(f"/projects/{pid}/data", headers=headers).json() == [row.json()]
    removed = platform.filter.delete(f"/projects/{pid}/data/{uid}", headers=headers)
    assert (removed.status_code, removed.json()) == (200, None)
    assert platform.filter.delete(f"/projects/{pid}/data/{uid}", headers=headers).status_code == 500


def test_a_series_leaves_the_archive_when_no_project_has_it(platform: RunningServices) -> None:
    seeded = Seeded(platform)
    pid, path = seeded.project["id"], seeded.path
    refused = platform.filter.delete(f"/projects/{pid}{path}", headers=seeded.foreign)
    assert (refused.status_code, refused.content) == (403, b"")
    assert platform.filter.delete(f"/projects/{pid}{path}", headers=seeded.mine).status_code == 200
    assert seeded.get(path).status_code == 403
    assert seeded.get(path, seeded.admin).status_code == 200
    admin = platform.aii.get("/projects/admin").json()["id"]
    study = f"/projects/{admin}/studies/{seeded.study}"
    assert platform.filter.delete(study, headers=seeded.admin).status_code == 200
    assert seeded.get(f"{path}/instances", seeded.admin).status_code == 204
    assert not (platform.config.data_dir / "archive" / seeded.study / seeded.series).exists()
