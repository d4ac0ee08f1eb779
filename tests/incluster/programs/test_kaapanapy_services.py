"""The library of the base image against the emulated services: both sides of the wire are the real ones."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path

import pydicom
import pytest

from tests.incluster.programs.program_runs import SERIES, STUDY, series
from tests.incluster.services.running_services import CLIENT_SECRET

pytest.importorskip("pydantic_settings", reason="the base image has it, hosts need not")

LIBRARY = Path(__file__).parents[3] / "harness" / "images" / "base-python-cpu"


@pytest.fixture
def project(services, monkeypatch):
    """A project, with its system user's credentials in the environment as a pod has them."""
    created = services.new_project()
    for name, value in {
        "KAAPANA_PROJECT_USER_NAME": f"project-{created['name']}-system-user",
        "KAAPANA_PROJECT_USER_PASSWORD": "pass§word",
        "KAAPANA_CLIENT_SECRET": CLIENT_SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(LIBRARY))
    yield created
    for name in [name for name in sys.modules if name.partition(".")[0] == "kaapanapy"]:
        del sys.modules[name]


def load(name):
    return importlib.import_module(f"kaapanapy.{name}")


@pytest.fixture
def stored(services, project, tmp_path):
    """The files of a series that the project has, three instances."""
    paths = series(tmp_path / "in", slices=3)
    assert services.send_series(project, "mine", [path.read_bytes() for path in paths]).status_code == 200
    return paths


def member(services, project, username="kaapana"):
    """Make a person a member of the project; the person's id."""
    user = services.aii.get(f"/users/username/{username}").json()["id"]
    answer = services.aii.post(f"/projects/{project['id']}/role/scientist/user/{user}")
    assert answer.status_code in {200, 409}
    return user


def test_the_token_is_renewed_by_its_refresh_token_without_the_password(services, project, monkeypatch):
    helper = load("helper")
    first = helper.get_project_user_access_token()
    monkeypatch.setenv("KAAPANA_PROJECT_USER_PASSWORD", "changed meanwhile")
    helper._tokens.access_until = 0
    second = helper.get_project_user_access_token()
    assert second != first
    assert services.filter.get("/studies", headers={"Authorization": f"Bearer {second}"}).status_code in {200, 204}


def test_a_wrong_password_is_an_http_error(services, project, monkeypatch):
    import requests

    monkeypatch.setenv("KAAPANA_PROJECT_USER_PASSWORD", "wrong")
    with pytest.raises(requests.HTTPError, match="401"):
        load("helper").get_project_user_access_token()


def test_studies_series_and_instances_are_listed(stored, project):
    web = load("helper.HelperDcmWeb").HelperDcmWeb()
    assert [item["0020000E"]["Value"][0] for item in web.get_series_of_study(STUDY)] == [SERIES]
    assert len(web.get_instances_of_series(STUDY, SERIES)) == 3
    one = {"SOPInstanceUID": pydicom.dcmread(stored[0]).SOPInstanceUID}
    assert len(web.get_instances_of_series(STUDY, SERIES, one)) == 1
    assert web.check_if_study_in_archive(STUDY)
    assert not web.check_if_study_in_archive("1.2.3")
    assert not web.check_if_series_in_archive("1.2.3", STUDY)
    assert web.check_if_series_is_rejected(SERIES, STUDY) is False


def test_one_instance_is_downloaded_as_it_was_stored(stored, project, tmp_path):
    web = load("helper.HelperDcmWeb").HelperDcmWeb()
    uid = pydicom.dcmread(stored[1]).SOPInstanceUID
    assert web.download_instance(STUDY, SERIES, uid, tmp_path / "out") is True
    assert pydicom.dcmread(tmp_path / "out" / f"{uid}.dcm").pixel_array.tolist() == (
        pydicom.dcmread(stored[1]).pixel_array.tolist()
    )


def test_a_series_is_not_downloaded_without_its_study_since_the_filter_does_not_search_for_it(
    stored, project, tmp_path
):
    import requests

    web = load("helper.HelperDcmWeb").HelperDcmWeb()
    with pytest.raises(requests.HTTPError, match="400"):
        web.download_series(series_uid=SERIES, target_dir=tmp_path / "out")


def test_a_study_cannot_be_rejected_through_the_filter(stored, project):
    import requests

    with pytest.raises(requests.HTTPError, match="405"):
        load("helper.HelperDcmWeb").HelperDcmWeb().reject_study(STUDY)


def test_a_series_is_deleted_from_the_project_and_unknown_ones_are_refused(stored, project):
    import requests

    web = load("helper.HelperDcmWeb").HelperDcmWeb()
    assert web.delete_series(project["id"], STUDY, SERIES).ok
    assert not web.check_if_series_in_archive(SERIES, STUDY)
    with pytest.raises(requests.HTTPError, match="403"):
        web.delete_series(project["id"], STUDY, SERIES)


def test_a_study_is_deleted_from_the_project(stored, project):
    web = load("helper.HelperDcmWeb").HelperDcmWeb()
    assert web.delete_study(project["id"], STUDY).ok
    assert not web.check_if_study_in_archive(STUDY)


def test_an_upload_by_stow_belongs_to_the_admin_project_only(services, project, tmp_path):
    series(tmp_path / "made", slices=2, uid="1.2.99")
    web = load("helper.HelperDcmWeb").HelperDcmWeb()
    web.upload_dcm_files(tmp_path / "made")
    assert not web.check_if_series_in_archive("1.2.99", STUDY)
    headers = {"Authorization": f"Bearer {services.system_token()}"}
    (found,) = services.filter.get(f"/studies/{STUDY}/series", headers=headers).json()
    assert found["0020000E"]["Value"] == ["1.2.99"]


def test_a_file_that_is_not_dicom_ends_the_upload(services, project, tmp_path):
    (tmp_path / "notes.txt").write_text("no DICOM")
    with pytest.raises(pydicom.errors.InvalidDicomError):
        load("helper.HelperDcmWeb").HelperDcmWeb().upload_dcm_files(tmp_path)


def test_queries_give_hits_or_ids_and_respect_the_users_tags(stored, project):
    module = load("helper.HelperOpensearch")
    search, index = module.HelperOpensearch(), project["opensearch_index"]
    everything = {"match_all": {}}
    assert search.get_query_dataset(everything, index, only_uids=True) == [SERIES]
    (hit,) = search.get_query_dataset(everything, index)
    assert hit["_source"][module.DicomTags.study_uid_tag] == STUDY
    document = search.os_client.get(index=index, id=SERIES)["_source"]
    search.os_client.index(
        index=index, id=SERIES, body={**document, module.DicomTags.custom_tag: ["reviewed"]}, refresh=True
    )
    for included, excluded, expected in (("reviewed", "", 1), ("other", "", 0), ("", "reviewed", 0), ("", "other", 1)):
        found = search.get_query_dataset(
            everything, index, include_custom_tag=included, exclude_custom_tag=excluded, only_uids=True
        )
        assert len(found) == expected, (included, excluded)


def test_a_query_of_more_than_one_page_gives_all_hits(stored, project, monkeypatch):
    module = load("helper.HelperOpensearch")
    search, index = module.HelperOpensearch(), project["opensearch_index"]
    for number in range(7):
        field = {module.DicomTags.series_uid_tag: f"1.9.{number}"}
        search.os_client.index(index=index, id=f"1.9.{number}", body=field, refresh=True)
    monkeypatch.setattr(module, "_PAGE", 3)
    hits = search.execute_opensearch_query(index, {"match_all": {}})
    uids = [hit["_id"] for hit in hits]
    assert len(uids) == 8
    assert uids == sorted(uids, reverse=True)


def test_the_users_of_a_project_are_notified_and_those_outside_of_it_too(services, project):
    module = load("services.NotificationService")
    user = member(services, project)
    outsider = services.aii.get("/users/username/system").json()["id"]
    message = module.Notification(topic="run", title="done", description="<b>all</b>", icon="mdi-x", link="/flow")
    module.NotificationService.send(message, project["id"])
    module.NotificationService.send(message, project["id"], [user, outsider])
    sent = services.services.notifications.sent()
    assert [(item["project_id"], item["receivers"]) for item in sent] == [
        (project["id"], [user]),
        (project["id"], [user]),
        (None, [outsider]),
    ]
    assert {(item["title"], item["topic"], item["link"]) for item in sent} == {("done", "run", "/flow")}


def test_a_notification_for_a_projects_name_is_refused(services, project, monkeypatch):
    import requests

    module = load("services.NotificationService")
    with pytest.raises(requests.HTTPError, match="502"):
        module.NotificationService.send(module.Notification(title="t", description="d"), project["name"])


def test_users_are_found_by_name_id_and_project(services, project):
    user = member(services, project)
    access = load("services.AccessService").AccessService()
    assert load("utils").get_user_id("kaapana") == user
    assert asyncio.run(access.fetch_user_ids(project["id"])) == [user]
    everyone = asyncio.run(access.fetch_user_ids(project["id"], include_system=True))
    assert user in everyone
    assert len(everyone) > 1
    assert asyncio.run(access.user_exists(user)) is True
    assert asyncio.run(access.user_exists("00000000-0000-0000-0000-000000000000")) is False
