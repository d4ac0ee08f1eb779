"""Archives, and binary and PDF files in DICOM objects (operators 6.1 to 6.3, 6.15)."""

from __future__ import annotations

import json
import zipfile

import pydicom
import pytest

from tests.incluster.programs.program_runs import STUDY, series

ZIP = {"OPERATOR_IN_DIR": "algo", "OPERATOR_OUT_DIR": "zip-unzip", "MODE": "zip", "TARGET_FILENAME": "all.zip"}
BIN = {"OPERATOR_IN_DIR": "algo", "OPERATOR_OUT_DIR": "bin2dcm", "EXTENSIONS": "*.zip,*.gz"}
PDF = {"OPERATOR_IN_DIR": "algo", "OPERATOR_OUT_DIR": "pdf2dcm"}


@pytest.fixture
def files(run_folder):
    folder = run_folder.element("algo")
    (folder / "deep").mkdir()
    for name in ("a.json", "b.txt", "deep/c.json"):
        (folder / name).write_text(name)
    return folder


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, {"kaapana/app/a.json", "kaapana/app/b.txt", "kaapana/app/deep/c.json"}),
        ({"WHITELIST_FILES": "*.json"}, {"kaapana/app/a.json", "kaapana/app/deep/c.json"}),
        ({"BLACKLIST_FILES": "*.json"}, {"kaapana/app/b.txt"}),
        ({"WHITELIST_FILES": "*.json", "BLACKLIST_FILES": "a.json"}, {"kaapana/app/deep/c.json"}),
        ({"SUBDIR": "deep"}, {"kaapana/app/c.json"}),
    ],
)
def test_an_archive_has_the_files_that_the_lists_leave_under_the_platforms_names(execute, run_folder, options, names):
    ended = execute("zip-unzip", **ZIP, **options)
    assert ended.status == 0, ended.errors
    with zipfile.ZipFile(run_folder.element("zip-unzip") / "all.zip") as archive:
        assert set(archive.namelist()) == names


def test_files_deeper_than_the_subfolder_are_named_relative_to_it(execute, run_folder, files):
    (files / "deep" / "er").mkdir()
    (files / "deep" / "er" / "d.txt").write_text("d")
    assert execute("zip-unzip", **ZIP, SUBDIR="deep").status == 0
    with zipfile.ZipFile(run_folder.element("zip-unzip") / "all.zip") as archive:
        assert set(archive.namelist()) == {"kaapana/app/c.json", "er/d.txt"}


def test_the_folder_of_the_run_is_packed_at_the_level_of_the_batch(execute, run_folder):
    (run_folder.root / "algo").mkdir()
    (run_folder.root / "algo" / "table.csv").write_text("1")
    assert execute("zip-unzip", **ZIP, BATCH_LEVEL="True").status == 0
    assert (run_folder.root / "zip-unzip" / "all.zip").is_file()


def test_archives_are_unpacked(execute, run_folder, files):
    with zipfile.ZipFile(files / "x.zip", "w") as archive:
        archive.writestr("sub/one.txt", "1")
    assert execute("zip-unzip", **{**ZIP, "MODE": "unzip"}).status == 0
    assert (run_folder.element("zip-unzip") / "sub" / "one.txt").read_text() == "1"


@pytest.mark.parametrize("name", ["Meine Ergebnisse (ä).zip", "result", "../over it.zip"])
@pytest.mark.usefixtures("files")
def test_the_name_of_the_archive_is_taken_as_it_is(execute, run_folder, name):
    ended = execute("zip-unzip", **{**ZIP, "TARGET_FILENAME": name})
    assert ended.status == 0, ended.errors
    assert zipfile.is_zipfile(run_folder.element("zip-unzip") / name)


@pytest.mark.usefixtures("files")
def test_every_element_has_an_archive_and_one_file_in_one_of_them_is_enough(execute, run_folder):
    run_folder.element("algo", uid="1.1")
    run_folder.element("other", uid="1.2")
    assert execute("zip-unzip", **ZIP, WHITELIST_FILES="a.json").status == 0
    for uid in ("1.1", "1.2"):
        with zipfile.ZipFile(run_folder.element("zip-unzip", uid=uid) / "all.zip") as archive:
            assert archive.namelist() == []


@pytest.mark.parametrize("mode", ["zip", "unzip"])
def test_nothing_to_do_fails_the_task_and_leaves_the_folders(execute, run_folder, mode):
    run_folder.element("algo")
    ended = execute("zip-unzip", **{**ZIP, "MODE": mode})
    assert ended.status == 1
    assert f"no files processed: nothing to {mode}" in ended.cause
    made = sorted(path.name for path in run_folder.element().glob("zip-unzip/*"))
    assert made == (["all.zip"] if mode == "zip" else [])
    assert run_folder.element("zip-unzip").is_dir()


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"MODE": "NONE"}, "MODE is not given"),
        ({"TARGET_FILENAME": "NONE"}, "needs target_filename"),
        ({"TARGET_FILENAME": "../../../../all.zip"}, "leads out of the run's folder"),
        ({"TARGET_FILENAME": "not there/all.zip"}, "target_filename 'not there/all.zip' cannot be written"),
        ({"WHITELIST_FILES": "*.nii"}, "no files processed: nothing to zip"),
        ({"OPERATOR_IN_DIR": "other"}, "no files processed"),
        ({"MODE": "unzip"}, "no files processed"),
    ],
)
@pytest.mark.usefixtures("files")
def test_input_that_cannot_be_packed_fails_with_its_cause(execute, change, cause):
    ended = execute("zip-unzip", **{**ZIP, **change})
    assert ended.status == 1
    assert cause in ended.cause


@pytest.mark.parametrize("content", ["../../../outside.txt", None])
def test_an_archive_cannot_write_out_of_the_run_and_must_be_one(execute, run_folder, files, content):
    if content is None:
        (files / "bad.zip").write_text("no archive")
    else:
        with zipfile.ZipFile(files / "bad.zip", "w") as archive:
            archive.writestr(content, "x")
            archive.writestr("../../../../../outside.txt", "x")
    ended = execute("zip-unzip", **{**ZIP, "MODE": "unzip"})
    assert ended.status == 1
    assert ("leads out of the run's folder" if content else "is not a zip archive") in ended.cause
    assert not (run_folder.root.parent / "outside.txt").exists()


@pytest.mark.parametrize("size", [10, 11])
def test_a_binary_file_survives_the_way_through_dicom(execute, run_folder, size):
    folder = run_folder.element("algo")
    (folder / "model.tar.gz").write_bytes(bytes(range(size)))
    ended = execute("bin2dcm", **BIN, INSTANCE_NAME="net", STUDY_DESCRIPTION="weights", VERSION="1.2.3")
    assert ended.status == 0, ended.errors
    (file,) = run_folder.element("bin2dcm").iterdir()
    assert file.name == "model---1.tar.gz.dcm"
    dataset = pydicom.dcmread(file)
    assert (dataset.SOPClassUID.name, dataset.Modality) == ("Raw Data Storage", "OT")
    assert (dataset.PatientID, dataset.StudyDescription, dataset.CreatorVersionUID) == ("net", "weights", "1.2.3")
    assert dataset.ImageComments == "model---1.tar.gz"
    ended = execute("bin2dcm", OPERATOR_IN_DIR="bin2dcm", OPERATOR_OUT_DIR="back", EXTENSIONS="*.dcm")
    assert ended.status == 0, ended.errors
    back = (run_folder.element("back") / "model.tar.gz").read_bytes()
    assert back == bytes(range(size)) + b"\0" * (size % 2)


def test_a_large_file_is_split_into_instances_of_one_series_and_put_together_again(execute, run_folder):
    content = bytes(range(256)) * 10240  # 2.5 MiB
    (run_folder.element("algo") / "model.zip").write_bytes(content)
    assert execute("bin2dcm", **BIN, SIZE_LIMIT_MB="1").status == 0
    parts = [pydicom.dcmread(path) for path in sorted(run_folder.element("bin2dcm").iterdir())]
    assert [part.InstanceNumber for part in parts] == [1, 2, 3]
    assert len({part.SeriesInstanceUID for part in parts}) == 1
    assert {part.ImageComments for part in parts} == {"model---3.zip"}
    back = {"OPERATOR_IN_DIR": "bin2dcm", "OPERATOR_OUT_DIR": "back", "EXTENSIONS": "*.dcm"}
    assert execute("bin2dcm", **back).status == 0
    assert (run_folder.element("back") / "model.zip").read_bytes() == content
    next(run_folder.element("bin2dcm").iterdir()).unlink()
    ended = execute("bin2dcm", **back)
    assert ended.status == 1
    assert "has 3 part(s), 2 *.dcm are there" in ended.cause


def test_study_and_patient_come_from_the_reference_series(execute, run_folder):
    series(run_folder.element("get-input-data"), slices=1)
    (run_folder.element("algo") / "x.zip").write_bytes(b"12")
    assert execute("bin2dcm", **BIN, DICOM_IN_DIR="get-input-data").status == 0
    dataset = pydicom.dcmread(run_folder.element("bin2dcm") / "x---1.zip.dcm")
    assert (dataset.StudyInstanceUID, dataset.PatientID) == (STUDY, "p1")


def test_the_file_of_the_dataset_describes_the_study(execute, run_folder):
    (run_folder.root / "info").mkdir()
    (run_folder.root / "info" / "dataset.json").write_text(json.dumps({"name": "T1", "labels": {"liver": 1, "bg": 0}}))
    (run_folder.element("algo") / "x.zip").write_bytes(b"12")
    assert execute("bin2dcm", **BIN, DATASET_INFO_OPERATOR_DIR="info").status == 0
    dataset = pydicom.dcmread(run_folder.element("bin2dcm") / "x---1.zip.dcm")
    assert (dataset.StudyDescription, dataset.ProtocolName) == ("liver,bg", "T1")


def test_a_packed_file_cannot_name_a_place_elsewhere(execute, run_folder):
    (run_folder.element("algo") / "x.zip").write_bytes(b"12")
    assert execute("bin2dcm", **BIN).status == 0
    path = run_folder.element("bin2dcm") / "x---1.zip.dcm"
    dataset = pydicom.dcmread(path)
    dataset.ImageComments = "../../x---1.zip"
    dataset.save_as(path)
    ended = execute("bin2dcm", OPERATOR_IN_DIR="bin2dcm", OPERATOR_OUT_DIR="back", EXTENSIONS="*.dcm")
    assert ended.status == 1
    assert "names no packed file" in ended.cause


def test_a_pdf_document_becomes_a_dicom_object_of_the_references_study(execute, run_folder):
    series(run_folder.element("get-input-data"), slices=1, StudyDescription="head", ClinicalTrialProtocolID="kp-x")
    (run_folder.element("algo") / "report.pdf").write_bytes(b"%PDF-1.4 x")
    ended = execute("pdf2dcm", **PDF, DICOM_IN_DIR="get-input-data", PDF_TITLE="Result")
    assert ended.status == 0, ended.errors
    dataset = pydicom.dcmread(run_folder.element("pdf2dcm") / "report.dcm")
    assert dataset.SOPClassUID.name == "Encapsulated PDF Storage"
    assert (dataset.StudyInstanceUID, dataset.PatientID, dataset.StudyDescription) == (STUDY, "p1", "head")
    assert (dataset.Modality, dataset.DocumentTitle, dataset.ClinicalTrialProtocolID) == ("DOC", "Result", "kp-x")
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == b"%PDF-1.4 x"


def test_the_first_tag_that_the_reference_lacks_ends_the_copying(execute, run_folder):
    series(run_folder.element("get-input-data"), slices=1)  # has no ClinicalTrialProtocolID
    (run_folder.element("algo") / "report.pdf").write_bytes(b"%PDF")
    ended = execute("pdf2dcm", **PDF, DICOM_IN_DIR="get-input-data")
    assert ended.status == 0
    dataset = pydicom.dcmread(run_folder.element("pdf2dcm") / "report.dcm")
    assert dataset.StudyInstanceUID != STUDY
    assert "has no ClinicalTrialProtocolID" in ended.output


@pytest.mark.parametrize(
    ("program", "env", "cause"),
    [
        ("bin2dcm", BIN, "no files processed"),
        ("pdf2dcm", PDF, "no files processed"),
        ("dcmodify", {**PDF, "DICOM_TAGS_TO_MODIFY": "(0010,0020)=x"}, "no files processed"),
        ("dcmodify", {**PDF, "DICOM_TAGS_TO_MODIFY": "PatientID=x"}, "is not a change of a tag"),
    ],
)
def test_nothing_to_do_is_a_failure(execute, run_folder, program, env, cause):
    run_folder.element("algo")
    ended = execute(program, **env)
    assert ended.status == 1
    assert cause in ended.cause


def test_a_reference_folder_without_files_fails(execute, run_folder):
    (run_folder.element("algo") / "report.pdf").write_bytes(b"%PDF")
    run_folder.element("get-input-data")
    assert "no *.dcm in the reference folder" in execute("pdf2dcm", **PDF, DICOM_IN_DIR="get-input-data").cause


def test_tags_change_in_the_input_folder_and_the_output_stays_empty(execute_tool, run_folder):
    paths = series(run_folder.element("algo"), slices=2)
    env = {"OPERATOR_IN_DIR": "algo", "OPERATOR_OUT_DIR": "modified"}
    ended = execute_tool("dcmodify", **env, DICOM_TAGS_TO_MODIFY="(0010,0020)=new;(0008,103e)=text")
    # SeriesDescription is missing, and -m does not create a tag: the files fail
    assert ended.status == 1
    assert "NOT MODIFIED" in ended.output
    ended = execute_tool("dcmodify", **env, DICOM_TAGS_TO_MODIFY="(0010,0020)=new")
    assert ended.status == 0, ended.errors
    assert pydicom.dcmread(paths[0]).PatientID == "new"
    assert paths[0].with_name(f"{paths[0].name}.bak").is_file()
    assert not list(run_folder.element("modified").iterdir())
