"""Programs and Python operators that ask the platform: references, index, datasets, notifications."""

from __future__ import annotations

import json

import pydicom
import pytest

from harness.incluster.programs import local_dicom, local_input, local_metadata, local_trigger
from harness.incluster.programs.common import ProgramError, RunFolder
from tests.incluster.programs.program_runs import SERIES, STUDY, series

REF = {"OPERATOR_IN_DIR": "get-input-data", "OPERATOR_OUT_DIR": "get-ref-series"}
PROJECT_ID = "00000000-0000-4000-8000-000000000001"
TAGS = "00000000 Tags_keyword"
UID = "0020000E SeriesInstanceUID_keyword"
PROJECT = {"id": "7", "name": "admin", "opensearch_index": "project_admin", "s3_bucket": "project-admin"}


@pytest.fixture
def segmentation(run_folder):
    """An element with a segmentation of the series 1.1."""
    (path,) = series(run_folder.element("get-input-data"), slices=1, Modality="SEG")
    dataset = pydicom.dcmread(path)
    item = pydicom.Dataset()
    item.SeriesInstanceUID = "1.1"
    dataset.ReferencedSeriesSequence = pydicom.Sequence([item])
    dataset.save_as(path)
    return path


@pytest.fixture
def run(run_folder, platform, monkeypatch):
    """The run's folder as Python operators have it, and the environment of their process."""
    for name, value in run_folder.env.items():
        monkeypatch.setenv(name, value)
    platform.answers["/projects/admin"] = (200, "application/json", json.dumps(PROJECT).encode())
    monkeypatch.setenv("AII_URL", f"http://127.0.0.1:{platform.port}")
    for module in (local_metadata, local_trigger):
        monkeypatch.setattr(module, "service", lambda constant: ("127.0.0.1", platform.port))
    return RunFolder(run_folder.root, "batch")


def document(run_folder, **fields):
    folder = run_folder.element("meta")
    (folder / "metadata.json").write_text(json.dumps({UID: "1.1", **fields}))


@pytest.mark.usefixtures("platform", "segmentation")
def test_the_series_that_a_segmentation_was_made_from_comes_into_its_own_folder(execute, run_folder):
    ended = execute("get-ref-series", **REF)
    assert ended.status == 0, ended.errors
    assert {path.name for path in run_folder.element("get-ref-series").iterdir()} == {
        f"1.1.{number}.dcm" for number in (1, 2, 3)
    }


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, {"1.1", "1.2", "1.3"}),
        ({"MODALITIES": '["CT"]'}, {"1.2"}),
        ({"MODALITIES": '["CT", "MR"]'}, {"1.1", "1.2", "1.3"}),
    ],
)
@pytest.mark.usefixtures("platform", "segmentation")
def test_the_other_series_of_the_study_get_a_folder_each(execute, run_folder, options, found):
    ended = execute("get-ref-series", **{**REF, "SEARCH_POLICY": "study_uid", "DATA_TYPE": "json", **options})
    assert ended.status == 0, ended.errors
    folder = run_folder.element("get-ref-series")
    assert {path.name for path in folder.iterdir()} == found
    assert all(json.loads((path / "metadata.json").read_text())[UID] == path.name for path in folder.iterdir())


@pytest.mark.usefixtures("platform")
def test_every_hit_of_a_search_is_an_element(execute, run_folder):
    query = {"bool": {"must": [{"term": {"00080060 Modality_keyword.keyword": "CT"}}], "must_not": []}}
    ended = execute(
        "get-ref-series",
        OPERATOR_OUT_DIR="get-ref-series",
        SEARCH_POLICY="search_query",
        SEARCH_QUERY=json.dumps(query),
    )
    assert ended.status == 0, ended.errors
    assert len(list(run_folder.element("get-ref-series", uid="1.2").iterdir())) == 3


@pytest.mark.usefixtures("segmentation")
def test_a_reference_that_is_not_in_the_archive_fails_when_nothing_comes(execute, platform):
    platform.archive.clear()
    ended = execute("get-ref-series", **REF)
    assert ended.status == 1
    assert "NOT FETCHED 1.1" in ended.output


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"SEARCH_POLICY": "patient_uid"}, "SEARCH_POLICY is 'patient_uid'"),
        ({"DATA_TYPE": "nifti"}, "DATA_TYPE is 'nifti'"),
        ({"SEARCH_POLICY": "search_query"}, "must be an object with bool"),
        ({"OPERATOR_IN_DIR": "other"}, "has no folder other"),
        ({"MODALITIES": "CT"}, "expected a list"),
        ({"OPERATOR_IN_DIR": "image"}, "only SEG and RTSTRUCT do"),
    ],
)
@pytest.mark.usefixtures("platform", "segmentation")
def test_wrong_parameters_and_inputs_without_a_reference_are_named(execute, run_folder, options, cause):
    series(run_folder.element("image"), slices=1)
    ended = execute("get-ref-series", **{**REF, **options})
    assert ended.status == 1
    assert cause in ended.cause


@pytest.mark.usefixtures("platform")
def test_an_element_without_the_folder_may_be_skipped(execute, run_folder):
    run_folder.element("something")
    assert execute("get-ref-series", **REF, SKIP_EMPTY_REF_DIR="True").status == 0


def test_a_python_operator_brings_the_reference_into_the_same_folder(run, run_folder, segmentation):
    local_input.fetch_references(run, "get-input-data", "ref", "dicom", 2)
    assert len(list(run_folder.element("ref").iterdir())) == 3
    with pytest.raises(ProgramError, match="never works"):
        local_input.fetch_references(run, "get-input-data", "ref", "json", 2)


def options(**changes):
    given = {"data_type": "dicom", "check_modality": False, "parallel": 2, "include": "", "exclude": ""}
    return local_input.Options(**{**given, **changes})


@pytest.mark.parametrize(
    ("conf", "changes", "elements"),
    [
        ({"data_form": {"identifiers": ["1.1", "1.2"]}}, {}, {"1.1", "1.2"}),
        ({"data_form": {"identifiers": ["1.1", "1.2"], "dataset_limit": 1}}, {}, {"1.2"}),
        ({"data_form": {"identifiers": ["1.1", "1.2"]}}, {"data_type": "json"}, {"1.1", "1.2"}),
        ({"workflow_form": {}}, {}, set()),
    ],
)
def test_the_deprecated_input_operator_brings_the_series_of_the_form(run, conf, changes, elements):
    local_input.fetch(run, "get-input-data", conf, options(**changes))
    assert {element.name for element in run.elements()} == elements


@pytest.mark.parametrize(
    ("conf", "changes", "error", "cause"),
    [
        ({}, {}, ProgramError, "has no configuration"),
        ({"data_form": {"identifiers": []}}, {}, ProgramError, "no identifiers"),
        ({"data_form": {"identifiers": ["1"], "query": {"bool": {}}}}, {}, ProgramError, "one of them"),
        ({"data_form": {"identifiers": ["9.9"]}}, {}, AssertionError, "none of the 1"),
        ({"data_form": {"identifiers": ["1.1"]}}, {"data_type": "minio"}, ProgramError, "does not work"),
        ({"data_form": {"identifiers": ["1.1"]}}, {"include": "tag"}, KeyError, "exclude_custom_tag"),
        (
            {"data_form": {"identifiers": ["1.1"]}, "workflow_form": {"input": "CT"}},
            {"check_modality": True},
            ProgramError,
            "modality MR",
        ),
    ],
)
def test_the_deprecated_input_operator_fails_as_on_the_platform(run, conf, changes, error, cause):
    with pytest.raises(error, match=cause):
        local_input.fetch(run, "get-input-data", conf, options(**changes))


def test_documents_are_merged_over_the_one_of_the_series(execute, run_folder, platform):
    series(run_folder.element("dicom"), slices=1, uid="1.1")
    folder = run_folder.element("algo")
    (folder / "a.json").write_text(json.dumps({"new": 1, "predicted_bodypart_string": "head"}))
    ended = execute("json2meta", OPERATOR_IN_DIR="algo", DICOM_OPERATOR_OUT_DIR="dicom", OPERATOR_OUT_DIR="x")
    assert ended.status == 0, ended.errors
    stored = platform.documents["1.1"]
    assert (stored["new"], stored["00000000 PredictedBodypart_keyword"]) == (1, "head")
    assert stored["0020000D StudyInstanceUID_keyword"] == STUDY
    ended = execute("json2meta", OPERATOR_IN_DIR="algo", DICOM_OPERATOR_OUT_DIR="dicom", NO_UPDATE="True")
    assert ended.status == 1
    assert "has a document in project_admin already" in ended.cause


@pytest.mark.usefixtures("platform")
def test_every_line_of_a_jsonl_file_is_a_document(execute, run_folder, platform):
    series(run_folder.element("dicom"), slices=1, uid="5.5")
    (run_folder.element("algo") / "a.jsonl").write_text('{"a": 1}\n\n{"b": 2}\n')
    ended = execute("json2meta", OPERATOR_IN_DIR="dicom", JSONL_OPERATOR_OUT_DIR="algo")
    assert ended.status == 0, ended.errors
    assert platform.documents["5.5"] == {"a": 1, "b": 2}


def test_a_notification_goes_to_the_user_of_the_workflow(execute, run_folder, platform):
    run_folder.conf(workflow_form={"username": "jo"})
    run_folder.element("x")
    base = f"http://127.0.0.1:{platform.port}"
    env = {"AII_URL": base, "NOTIFICATION_URL": base, "TITLE": "Done", "DESCRIPTION": "all", "DAG_ID": "my-dag"}
    platform.answers["/users/username/jo"] = (200, "application/json", b'{"id": "u1"}')
    platform.answers["/v1/"] = (200, "application/json", b"{}")
    ended = execute("notify", **env)  # the project is unknown: the receivers are named instead
    assert ended.status == 0, ended.errors
    sent = [content for method, path, content in platform.requests if path == "/v1/" and method == "POST"]
    assert sent[0]["receivers"] == ["u1"]
    assert (sent[0]["title"], sent[0]["topic"], sent[0]["icon"]) == ("Done", "my-dag", "mdi-information")
    platform.answers[f"/v1/{PROJECT_ID}/u1"] = (200, "application/json", b"{}")
    assert execute("notify", **env).status == 0
    assert platform.requests[-1][1] == f"/v1/{PROJECT_ID}/u1"
    run_folder.conf()
    assert "workflow_form.username" in execute("notify", **env).cause


@pytest.mark.parametrize(
    ("action", "tags", "result"),
    [
        ("add", "new, b", ["b", "new", "old", "own"]),
        ("delete", "own", ["old"]),
        ("add_from_file", "", ["old", "own", "x", "y"]),
    ],
)
def test_tags_of_file_and_index_are_joined_and_changed(run, run_folder, platform, action, tags, result):
    platform.documents["1.1"][TAGS] = ["old"]
    document(run_folder, **{TAGS: ["own"], "field": "xy"})  # a plain text falls into its characters
    local_metadata.tag(
        run, "meta", index="i", field=TAGS, action=action, tags=tags, from_file=False, file_fields=["field"]
    )
    assert platform.documents["1.1"][TAGS] == result


def test_another_action_than_those_for_tags_fails(run):
    with pytest.raises(ValueError, match="the action is 'remove'"):
        local_metadata.tag(run, "m", index="i", field=TAGS, action="remove", tags="", from_file=False, file_fields=[])


def test_series_are_added_to_the_dataset_of_their_document(run, run_folder, platform):
    platform.answers["/client/dataset"] = (200, "application/json", b"{}")
    document(run_folder, **{"00120010 ClinicalTrialSponsorName_keyword": "my-set"})
    fields = ["00120010 ClinicalTrialSponsorName_keyword"]
    local_metadata.add_to_datasets(run, "meta", file_fields=fields, projects=[], dataset="")
    (body,) = [content for _, path, content in platform.requests if path == "/client/dataset"]
    assert body == {"action": "ADD", "name": "my-set", "identifiers": ["1.1"]}
    with pytest.raises(ProgramError, match="names no dataset"):
        local_metadata.add_to_datasets(run, "meta", file_fields=["other"], projects=[], dataset="")


@pytest.mark.parametrize("replace", [True, False])
def test_documents_are_pushed_into_the_index_of_admin(run, run_folder, platform, replace):
    platform.documents["1.1"] = {"old": 1}
    document(run_folder, new=2)
    local_metadata.push(run, "meta", jsonl=False, replace=replace, projects=None)
    assert platform.documents["1.1"] == {UID: "1.1", "new": 2, **({} if replace else {"old": 1})}
    assert "/project_admin/_doc/1.1" in [path for method, path, _ in platform.requests if method == "PUT"]


def test_documents_of_all_elements_become_one_list(run, run_folder):
    document(run_folder, number=1)
    (run_folder.element("meta", uid="9") / "b.json").write_text('{"number": 2}')
    path = local_metadata.concatenate(run, "meta", "all", "concatenated")
    assert path.parent == run.root / "all"
    assert path.name.endswith("-concatenated.json")
    assert {entry["number"] for entry in json.loads(path.read_text())} == {1, 2}
    assert json.loads(local_metadata.concatenate(run, "none", "all", "x").read_text()) == []


def test_anonymised_files_have_none_of_the_tags_at_any_depth_and_the_source_stays(run, run_folder):
    paths = series(run_folder.element("dicom"), slices=2)
    dataset = pydicom.dcmread(paths[0])
    inner = pydicom.Dataset()
    inner.PatientID, inner.Modality = "secret", "MR"
    dataset.ReferencedImageSequence = pydicom.Sequence([inner])
    dataset.save_as(paths[0])
    assert local_dicom.anonymise(run, "dicom", "anonymous", single_slice=False) == 2
    result = pydicom.dcmread(run_folder.element("anonymous") / paths[0].name)
    assert not {"PatientID", "StudyInstanceUID", "SOPInstanceUID"} & set(result.dir())
    assert result.Modality == "MR"
    assert result.file_meta.MediaStorageSOPInstanceUID == f"{SERIES}.1"
    assert "PatientID" not in result.ReferencedImageSequence[0]
    assert pydicom.dcmread(paths[0]).PatientID == "p1"
    assert local_dicom.anonymise(run, "dicom", "one", single_slice=True) == 1


@pytest.mark.parametrize(("modality", "count"), [("MR", 2), ("CT", 0)])
def test_files_that_fulfil_a_condition_are_copied_and_counted(run, run_folder, modality, count):
    series(run_folder.element("dicom"), slices=2)
    assert local_dicom.copy_matching(run, "dicom", "chosen", lambda dataset: dataset.Modality == modality) == count
    assert len(list(run_folder.element("chosen").iterdir())) == count


def test_files_are_stored_in_the_archive_by_one_request(run, run_folder, platform):
    series(run_folder.element("dicom"), slices=2, ClinicalTrialProtocolID="kp-x")
    platform.answers["/studies"] = (200, "application/dicom+json", b"{}")
    local_dicom.store(run, "dicom")
    ((method, _, query),) = [entry for entry in platform.requests if entry[1] == "/studies"]
    assert method == "POST"
    information = json.loads(query["clinical_trial_protocol_info"])
    assert information[SERIES]["protocol_id"] == "kp-x"
    assert information[SERIES]["study_instance_uid"] == STUDY


def test_other_workflows_are_started_with_the_conf_and_waited_for(run, run_folder, platform):
    series(run_folder.element("dicom"), slices=1)
    series(run_folder.element("dicom", uid="9.9"), slices=1, uid="9.9")
    conf = {"workflow_form": {"a": 1}, "inputs": []}
    local_trigger.merge(conf, {"workflow_form": {"b": 2}})
    assert conf["workflow_form"] == {"a": 1, "b": 2}
    confs = local_trigger.split_conf(run, "dicom", conf, single=True)
    assert [entry["dcm-uid"]["series-uid"] for one in confs for entry in one["inputs"]] == [SERIES, "9.9"]
    (together,) = local_trigger.split_conf(run, "dicom", conf, single=False)
    assert len(together["inputs"]) == 2
    answer = json.dumps({"message": ["child created!", {"dag_id": "child", "run_id": "child-1"}]}).encode()
    platform.answers["/flow/kaapana/api/trigger/child"] = (200, "application/json", answer)
    assert local_trigger.start("child", together) == "child-1"
    path = "/flow/kaapana/api/dagdetails/child/child-1"
    platform.answers[path] = (200, "application/json", b'{"state": "success"}')
    local_trigger.wait("child", ["child-1"], 0.1)
    platform.answers[path] = (200, "application/json", b'{"state": "failed"}')
    with pytest.raises(ValueError, match="child-1 ended with the state failed"):
        local_trigger.wait("child", ["child-1"], 0.1)
    with pytest.raises(ValueError, match="no \\*\\.dcm"):
        local_trigger.split_conf(run, "none", conf, single=True)
