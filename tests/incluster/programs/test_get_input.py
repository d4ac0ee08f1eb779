"""Getting series: which ones, in which files, and what fails."""

from __future__ import annotations

import json

import pydicom
import pytest

from harness.incluster.programs import platform_client
from harness.incluster.programs.common import ProgramError
from harness.incluster.programs.platform_client import multipart
from tests.incluster.programs.program_runs import STUDY

OUT = {"OPERATOR_OUT_DIR": "get-input-data"}
INSTANCES = f"/studies/{STUDY}/series/1.1/instances"


def test_the_chosen_series_are_there_as_files_named_after_their_instances(execute, run_folder, platform):
    run_folder.conf(data_form={"identifiers": ["1.1", "1.2"]})
    ended = execute("get-input")
    assert ended.status == 0, ended.errors
    expected = {f"batch/{uid}/get-input-data/{uid}.{n}.dcm" for uid in ("1.1", "1.2") for n in (1, 2, 3)}
    assert run_folder.files() == {*expected, "conf/conf.json"}
    first = run_folder.root / "batch/1.1/get-input-data/1.1.1.dcm"
    assert first.read_bytes() == platform.archive["1.1"][0]
    assert pydicom.dcmread(first).SeriesInstanceUID == "1.1"


def test_it_logs_in_as_the_user_of_the_project(execute, run_folder, platform):
    run_folder.conf(data_form={"identifiers": ["1.1"]})
    assert execute("get-input").status == 0
    (form,) = platform.forms("/auth/realms/kaapana/protocol/openid-connect/token")
    assert form == {
        "username": "project-admin-system-user",
        "password": "pass§word",
        "client_id": "kaapana",
        "client_secret": "secret",
        "grant_type": "password",
    }


@pytest.mark.parametrize(("data_type", "names"), [("json", {"metadata.json"}), ("all", {"metadata.json", "1.1.1.dcm"})])
def test_metadata_is_the_document_of_the_index(execute, run_folder, platform, data_type, names):
    run_folder.conf(data_form={"identifiers": ["1.1"]})
    assert execute("get-input", DATA_TYPE=data_type).status == 0
    folder = run_folder.element("get-input-data", uid="1.1")
    assert names <= {path.name for path in folder.iterdir()}
    text = (folder / "metadata.json").read_text()
    assert text == json.dumps(platform.documents["1.1"], indent=4, sort_keys=True)


def test_the_limit_takes_series_by_descending_uid(execute, run_folder, platform):
    run_folder.conf(data_form={"identifiers": ["1.1", "1.2", "1.3"], "dataset_limit": 2})
    assert execute("get-input").status == 0
    assert {path.name for path in (run_folder.root / "batch").iterdir()} == {"1.3", "1.2"}


def test_more_than_one_page_of_hits_is_read(execute, run_folder, platform, monkeypatch):
    monkeypatch.setattr(platform_client, "_PAGE", 2)
    run_folder.conf(data_form={"identifiers": ["1.1", "1.2", "1.3"]})
    assert execute("get-input").status == 0
    assert {path.name for path in (run_folder.root / "batch").iterdir()} == {"1.1", "1.2", "1.3"}


def test_a_series_that_the_index_does_not_have_is_left_out(execute, run_folder, platform):
    run_folder.conf(data_form={"identifiers": ["1.1", "9.9"]})
    ended = execute("get-input")
    assert ended.status == 0
    assert "notice series-left-out: " in ended.output
    assert "['9.9']" in ended.output


def test_a_request_without_any_known_series_fails(execute, run_folder, platform):
    run_folder.conf(data_form={"identifiers": ["9.9"]})
    ended = execute("get-input")
    assert ended.status == 1
    assert "none of the 1 identifier(s) is in the project's index project_admin" in ended.cause


@pytest.mark.parametrize(("variable", "left"), [("INCLUDE", {"1.1"}), ("EXCLUDE", {"1.2", "1.3"})])
def test_series_are_chosen_by_the_tag_that_the_form_names(execute, run_folder, platform, variable, left):
    platform.documents["1.1"]["00000000 Tags_keyword"] = ["good"]
    run_folder.conf(data_form={"identifiers": ["1.1", "1.2", "1.3"]}, workflow_form={"my_tag": "good"})
    assert execute("get-input", **{f"{variable}_CUSTOM_TAG_PROPERTY": "my_tag"}).status == 0
    assert {path.name for path in (run_folder.root / "batch").iterdir()} == left


def test_one_series_of_the_wrong_modality_fails_the_task_and_the_others_stay(execute, run_folder, platform):
    run_folder.conf(data_form={"identifiers": ["1.1", "1.2"]}, workflow_form={"input": "MR,PT"})
    ended = execute("get-input", CHECK_MODALITY="True")
    assert ended.status == 1
    assert "1.2: modality CT" in ended.cause
    assert {path.name for path in (run_folder.root / "batch").iterdir()} == {"1.1"}


def test_blanks_in_the_list_of_modalities_are_part_of_the_names(execute, run_folder, platform):
    run_folder.conf(data_form={"identifiers": ["1.1"]}, workflow_form={"input": "CT, MR"})
    ended = execute("get-input", CHECK_MODALITY="True")
    assert ended.status == 1
    assert "notice blank-in-modalities: " in ended.output


def test_a_check_of_the_modality_needs_a_text_in_the_form(execute, run_folder, platform):
    run_folder.conf(data_form={"identifiers": ["1.1"]}, workflow_form={"input": ["MR"]})
    assert "workflow_form.input is not a text" in execute("get-input", CHECK_MODALITY="True").cause


def test_a_series_that_the_project_may_not_see_is_named(execute, run_folder, platform):
    del platform.archive["1.2"]
    run_folder.conf(data_form={"identifiers": ["1.1", "1.2"]})
    ended = execute("get-input")
    assert ended.status == 1
    assert "1 of 2 series failed: 1.2: the archive shows no instance" in ended.cause
    assert (run_folder.root / "batch/1.1/get-input-data/1.1.1.dcm").is_file()


def test_an_instance_that_does_not_come_is_named(execute, run_folder, platform):
    listed = json.dumps([{"00080018": {"Value": [f"1.1.{n}"]}} for n in (1, 2, 3, 4)]).encode()
    platform.answers[INSTANCES] = (200, "application/dicom+json", listed)
    run_folder.conf(data_form={"identifiers": ["1.1"]})
    assert "1 of 4 instances did not come, the first: 1.1.4" in execute("get-input").cause


def test_an_instance_uid_that_is_a_path_is_refused(execute, run_folder, platform):
    evil = platform.archive["1.1"][0].replace(b"1.1.1\0", b"../../")
    platform.archive["1.1"] = [evil]
    listed = b'[{"00080018": {"Value": ["../.."]}}]'
    platform.answers[INSTANCES] = (200, "application/dicom+json", listed)
    run_folder.conf(data_form={"identifiers": ["1.1"]})
    ended = execute("get-input")
    assert ended.status == 1
    assert "cannot be used as a file name" in ended.cause


def test_a_document_without_a_curated_modality_is_a_failure(execute, run_folder, platform):
    del platform.documents["1.1"]["00000000 CuratedModality_keyword"]
    run_folder.conf(data_form={"identifiers": ["1.1"]})
    assert "has no 00000000 CuratedModality_keyword" in execute("get-input").cause


def test_a_refused_log_in_says_as_whom(execute, run_folder, platform):
    path = "/auth/realms/kaapana/protocol/openid-connect/token"
    platform.answers[path] = (401, "application/json", b'{"error": "invalid_grant"}')
    run_folder.conf(data_form={"identifiers": ["1.1"]})
    ended = execute("get-input")
    assert "log in as project-admin-system-user" in ended.cause
    assert "401" in ended.cause


@pytest.mark.parametrize(
    ("env", "conf", "cause"),
    [
        ({"DATA_TYPE": "nifti"}, {"data_form": {"identifiers": []}}, "DATA_TYPE is 'nifti'"),
        ({}, {}, "has no data_form"),
        ({"PARALLEL_DOWNLOADS": "many"}, {"data_form": {"identifiers": ["1.1"]}}, "PARALLEL_DOWNLOADS"),
    ],
)
def test_wrong_parameters_are_named(execute, run_folder, platform, env, conf, cause):
    run_folder.conf(**conf)
    ended = execute("get-input", **env)
    assert ended.status == 1
    assert cause in ended.cause


def parts(content_type, body):
    return [bytes(part) for part in multipart(content_type, body, "download")]


def test_parts_are_split_at_the_boundary_and_nowhere_else():
    body = b"preamble\r\n--b\r\nA: 1\r\n\r\none --b two\r\n--bx\r\n--b\r\n\r\n\r\n--b--\r\n"
    assert parts("multipart/related; boundary=b", body) == [b"one --b two\r\n--bx", b""]


@pytest.mark.parametrize(
    ("content_type", "body", "cause"),
    [
        ("text/html", b"<p>", "expected multipart/related"),
        ("multipart/related", b"", "expected multipart/related"),
        ("multipart/related; boundary=b", b"--b\r\nA: 1\r\n\r\nhalf", "ends before its closing boundary"),
        ("multipart/related; boundary=b", b"--b\r\nno header\r\n--b--", "has no header"),
    ],
)
def test_an_incomplete_multipart_answer_is_refused(content_type, body, cause):
    with pytest.raises(ProgramError, match=cause):
        parts(content_type, body)
