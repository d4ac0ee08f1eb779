"""Images compared, resampled, counted, split, converted, reported (operators 5.8 to 5.13, 6.4, 6.17, 6.21)."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813

from harness.incluster.programs import itk2dcm, seg_eval, train_test_split
from harness.incluster.programs.cca import components
from harness.incluster.programs.common import ProgramError, RunFolder
from harness.incluster.programs.local_minio import ENDINGS, TransferParameters, files_of
from harness.incluster.programs.local_volume import put, take
from tests.incluster.programs.program_runs import series

RESAMPLE = {"OPERATOR_IN_DIR": "masks", "OPERATOR_OUT_DIR": "resampled", "ORG_IMG_IN_DIR": "image"}


def image(path, values, spacing=(1.0, 1.0, 1.0)):
    """Write values in (slice, row, column) order."""
    result = sitk.GetImageFromArray(values)
    result.SetSpacing(spacing)
    if path is not None:
        sitk.WriteImage(result, str(path))
    return result


def cube(start, end, shape=(12, 12, 12)):
    values = np.zeros(shape, np.uint8)
    values[start:end, start:end, start:end] = 1
    return values


def test_metrics_of_two_cubes_are_those_of_geometry_in_voxels():
    one, other = cube(2, 8) > 0, cube(3, 9) > 0
    assert seg_eval.dice_score(one, other) == pytest.approx(2 * 5**3 / (2 * 6**3))
    # the far corners are one voxel apart along each axis
    assert seg_eval.hausdorff_distance(one, other) == pytest.approx(3**0.5)
    assert 0 < seg_eval.average_surface_distance(one, other) < 3**0.5
    for metric, value in (("dice_score", 1), ("surface_dice", 1), ("hausdorff_distance", 0)):
        assert seg_eval.METRICS[metric][1](one, one) == value
    assert seg_eval.average_surface_distance(one, one) == 0


def test_a_border_within_half_a_voxel_is_the_same_and_one_voxel_away_is_not():
    one, other = cube(2, 8) > 0, np.zeros((12, 12, 12), bool)
    other[2:8, 2:8, 2:9] = True
    # one of the six sides has moved, and with it the rims of four others
    surface = 6**3 - 4**3
    assert seg_eval.surface_dice(one, other) == pytest.approx(2 * (surface - 4 * 4) / (surface + 7 * 36 - 5 * 16))


def test_a_mask_at_the_edge_of_the_image_ends_there():
    everything = np.ones((3, 3, 3), bool)
    assert seg_eval._border(everything).sum() == 26


def test_an_empty_mask_has_no_number_or_an_infinite_one():
    full, empty = cube(2, 8) > 0, cube(0, 0) > 0
    values = {
        name: [function(*masks) for masks in ((empty, full), (full, empty), (empty, empty))]
        for name, function, _ in seg_eval.METRICS.values()
    }
    nan, inf = pytest.approx(float("nan"), nan_ok=True), float("inf")
    assert values == {
        "dice_score": [nan, 0, nan],
        "surface_dice": [0, 0, nan],
        "hausdorff_distance": [inf, inf, nan],
        "asd": [inf, inf, nan],
    }


def test_segmentations_of_two_batches_are_paired_by_what_they_refer_to(execute, run_folder, platform):
    key = "00081115 ReferencedSeriesSequence_object"
    for batch, uid, start in (("gt", "1.1", 2), ("batch", "1.3", 3)):
        platform.documents[uid][key] = {"0020000E SeriesInstanceUID_keyword": "7.7"}
        folder = run_folder.root / batch / uid / "masks"
        folder.mkdir(parents=True)
        image(folder / f"x--1--{'liver' if batch == 'gt' else 'organ'}.nii.gz", cube(start, start + 6))
    env = {
        "GT_IN_DIR": "masks",
        "TEST_IN_DIR": "masks",
        "BATCH_GT": "gt",
        "BATCH_TEST": "batch",
        "METRICS_KEY": "metrics",
        "METRICS": "[&quot;dice_score&quot;, &quot;average_surface_distance&quot;]",
        "LABEL_MAPPING": "Liver:organ",
        "EXIT_ON_ERROR": "False",
        "OPERATOR_OUT_DIR": "evaluation",
        "TEST_SEG_EXISTS": "True",
    }
    (run_folder.root / "gt" / "1.1" / "masks" / "notes.json").write_text("{}", "utf-8")
    ended = execute("seg-eval", **env)
    assert ended.status == 0, ended.errors
    metrics = json.loads((run_folder.root / "evaluation" / "metrics.json").read_text("utf-8"))
    ((distance,),) = metrics["1.3"]["asd"].pop("liver:organ")
    assert 0 < distance < 3**0.5
    assert metrics == {
        "1.3": {
            "dice_score": {"liver:organ": [pytest.approx(5**3 / 6**3)]},
            "surface_dice": {},
            "hausdorff_distance": {},
            "asd": {},
        }
    }
    assert json.loads((run_folder.root / "evaluation" / "dataset_map.json").read_text("utf-8")) == {
        "7.7": {
            "test_id": "1.3",
            "test_path": f"{run_folder.root}/batch/1.3/masks",
            "gt_id": "1.1",
            "gt_path": f"{run_folder.root}/gt/1.1/masks",
        }
    }
    for change, cause in (
        ({"METRICS": "['volume']"}, "expected a list of dice_score"),
        ({"LABEL_MAPPING": "liver"}, "expected gt:test"),
        ({"LABEL_MAPPING": "heart:organ"}, "found none"),
        ({"EXIT_ON_ERROR": ""}, "EXIT_ON_ERROR is not set"),
        ({"EXIT_ON_ERROR": "None"}, "EXIT_ON_ERROR is None"),
        # the folder's name is part of the path, and other files count too
        ({"LABEL_MAPPING": "masks:organ"}, "found notes.json, x--1--liver.nii.gz"),
        ({"LABEL_MAPPING": "notes:organ"}, "notes.json has 'notes' in its path and is not an image"),
        ({"TEST_SEG_EXISTS": "False"}, "is not emulated"),
    ):
        ended = execute("seg-eval", **{**env, **change})
        assert ended.status == 1
        assert cause in ended.cause
    # a second test of the same series, and then a ground truth alone
    platform.documents["1.2"][key] = {"0020000E SeriesInstanceUID_keyword": "7.7"}
    (run_folder.root / "batch" / "1.2").mkdir()
    assert "1.2 and 1.3 of batch were both made from series 7.7" in execute("seg-eval", **env).cause
    (run_folder.root / "batch" / "1.2").rename(run_folder.root / "gt" / "1.2")
    platform.documents["1.2"][key] = {"0020000E SeriesInstanceUID_keyword": "8.8"}
    assert "no test for 1.2, which was made from series 8.8" in execute("seg-eval", **env).cause


def test_a_mask_comes_onto_the_grid_of_the_image_and_the_input_goes(execute, run_folder):
    image(run_folder.element("image") / "i.nii.gz", np.zeros((6, 8, 8), np.int16), (1.0, 1.0, 2.0))
    mask = run_folder.element("masks") / "m.nii.gz"
    values = np.zeros((3, 8, 8), np.uint8)
    values[1, 2:4] = 1
    image(mask, values, (1.0, 1.0, 4.0))
    ended = execute("mitk-resample", **RESAMPLE)
    assert ended.status == 0, ended.errors
    result = sitk.ReadImage(str(run_folder.element("resampled") / "m.nii.gz"))
    assert result.GetSize() == (8, 8, 6)
    assert result.GetSpacing() == pytest.approx((1.0, 1.0, 2.0))
    assert set(np.unique(sitk.GetArrayFromImage(result)[2])) == {0, 1}
    assert not mask.exists()


def test_an_image_with_the_same_number_of_voxels_is_copied_whatever_its_grid(execute, run_folder):
    image(run_folder.element("image") / "i.nii.gz", np.zeros((3, 8, 8), np.int16), (1.0, 1.0, 9.0))
    mask = run_folder.element("masks") / "m.nii.gz"
    image(mask, np.ones((3, 8, 8), np.uint8))
    assert execute("mitk-resample", **RESAMPLE, COPY_DATA="True").status == 0
    assert (run_folder.element("resampled") / "m.nii.gz").read_bytes() == mask.read_bytes()


def test_two_references_and_broken_files_are_named(execute, run_folder):
    (run_folder.element("masks") / "m.nii.gz").write_bytes(b"x")
    image(run_folder.element("image") / "i.nii.gz", np.zeros((3, 8, 8), np.int16))
    ended = execute("mitk-resample", **RESAMPLE)
    assert ended.status == 1
    assert "NOT RESAMPLED" in ended.output
    image(run_folder.element("image") / "j.nii.gz", np.zeros((3, 8, 8), np.int16))
    assert "2 reference image(s)" in execute("mitk-resample", **RESAMPLE).cause


def test_components_are_counted_but_for_the_last(execute, run_folder):
    values = cube(1, 3)
    values[3, 3, 3] = 1  # touches the corner: one component with 26 neighbours
    values[8, 8, 8] = values[11, 11, 11] = 1
    path = run_folder.element("masks") / "m.nii.gz"
    image(path, values)
    assert components(path) == {"0": 12**3 - 11, "1": 9, "2": 1}
    (run_folder.element("info") / "a.json").write_text('{"x": 1}')
    env = {"OPERATOR_IN_DIR": "masks", "OPERATOR_OUT_DIR": "cca", "JSON_INFO_DIR": "info"}
    assert execute("cca", **env).status == 0
    written = json.loads((run_folder.element("cca") / "a.json").read_text("utf-8"))
    assert written == {"x": 1, "connected_component_analysis": {"m.nii.gz": components(path)}}
    (run_folder.element("info") / "a.json").unlink()
    assert "no files processed" in execute("cca", **env).cause


@pytest.mark.parametrize(("share", "count"), [(0.8, 8), (3, 3), (0, 0), (1, 10)])
def test_elements_are_split_by_share_or_number_and_the_same_seed_gives_the_same(share, count):
    names = [f"{number:02}" for number in range(10)]
    train, test = train_test_split.split(names, share, 1)
    assert len(train) == count
    assert sorted(train + test) == names
    assert train_test_split.split(names[::-1], share, 1) == (train, test)
    with pytest.raises(ProgramError, match="asks for 11 of 10"):
        train_test_split.split(names, 11, 1)


def test_the_tag_of_the_split_is_in_the_metadata(execute, run_folder):
    for uid in ("1", "2"):
        (run_folder.element("meta", uid=uid) / "metadata.json").write_text('{"a": 1}')
    env = {"OPERATOR_IN_DIR": "meta", "OPERATOR_OUT_DIR": "split", "SPLIT": "0.5", "TEST_TAG": "t"}
    assert execute("train-test-split", **env).status == 0
    tags = [json.loads((run_folder.element("split", uid=u) / "metadata.json").read_text("utf-8")) for u in ("1", "2")]
    assert sorted(tag["train_test_split_tag"][0] for tag in tags) == ["t", "train"]
    assert all(tag["a"] == 1 for tag in tags)


RADIOMICS = {
    "OPERATOR_IN_DIR": "image",
    "OPERATOR_OUT_DIR": "radiomics",
    "OPERATOR_IN_SEGMENATIONS_DIR": "masks",
    "RADIOMICS": "True",
}


def test_radiomics_are_skipped_unless_the_form_wants_them(execute):
    assert execute("pyradiomics", **{**RADIOMICS, "RADIOMICS": "False"}).status == 126


def test_radiomics_of_a_cube_are_those_of_geometry_and_without_voxels_of_value_1_zeros(execute_tool, run_folder):
    inside = cube(2, 8)
    image(run_folder.element("image") / "ct.nii.gz", (inside * 100).astype(np.float32), (3.0, 3.0, 3.0))
    image(run_folder.element("masks") / "organ.nii.gz", inside, (3.0, 3.0, 3.0))
    image(run_folder.element("masks") / "nothing.nii.gz", inside * 0, (3.0, 3.0, 3.0))
    image(run_folder.element("masks") / "segment-2.x.nii.gz", inside * 2, (3.0, 3.0, 3.0))
    ended = execute_tool("pyradiomics", **RADIOMICS)
    assert ended.status == 0, ended.errors
    table = json.loads((run_folder.element("radiomics") / "ct.json").read_text("utf-8"))
    assert set(table) == {"organ", "nothing", "segment-2"}
    organ = table["organ"]
    assert organ["shape_VoxelVolume"] == 6**3 * 3**3
    assert organ["firstorder_Mean"] == 100
    assert organ["firstorder_Variance"] == 0
    assert len(organ) == 14 + 18
    assert {name.split("_")[0] for name in organ} == {"shape", "firstorder"}
    # the mesh cuts the corners: its vertices lie half a voxel outside of the voxels' centres, along one axis each
    assert organ["shape_Maximum3DDiameter"] == pytest.approx(3 * (6**2 + 5**2 + 5**2) ** 0.5, abs=1e-3)
    for name in ("nothing", "segment-2"):
        assert len(table[name]) == 107
        assert set(table[name]) > set(organ)
        assert set(table[name].values()) == {0.0}
    assert "notice mask-of-other-values: segment-2.x.nii.gz has the values 0, 2" in ended.output


def test_radiomics_end_well_at_the_first_element_without_masks(execute_tool, run_folder):
    image(run_folder.element("image") / "ct.nii.gz", cube(2, 8), (3.0, 3.0, 3.0))
    ended = execute_tool("pyradiomics", **RADIOMICS)
    assert ended.status == 0, ended.errors
    assert "no *.nii.gz in masks" in ended.output
    assert not list(run_folder.element("radiomics").iterdir())


ITK = {"OPERATOR_IN_DIR": "data", "OPERATOR_OUT_DIR": "get-input-data", "MODALITY": "CT"}


def test_a_folder_of_images_and_masks_becomes_series_with_their_masks(execute, run_folder):
    folder = run_folder.root / "data"
    folder.mkdir()
    values = np.arange(2 * 8 * 8, dtype=np.int16).reshape(2, 8, 8) - 50
    image(folder / "patient.nii.gz", values, (0.5, 1.0, 3.0))
    image(folder / "patient-seg.nii.gz", cube(1, 3, (2, 8, 8)))
    (folder / "seg_info.json").write_text('{"seg_info": []}')
    (folder / "meta_data.json").write_text(
        json.dumps({"global_tags": {"0008|1030": "study"}, "series_tags": {"patient.nii": {"0010|0020": "p7"}}})
    )
    ended = execute("itk2dcm", **ITK)
    assert ended.status == 0, ended.errors
    (element,) = RunFolder(run_folder.root, "batch").elements()
    files = sorted((element / "get-input-data").iterdir())
    assert [path.name for path in files] == ["slice0000.dcm", "slice0001.dcm"]
    first = pydicom.dcmread(files[0])
    assert first.SeriesInstanceUID == element.name
    assert (first.Modality, first.StudyDescription, first.PatientID) == ("CT", "study", "p7")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in files])
    back = reader.Execute()
    assert np.array_equal(sitk.GetArrayFromImage(back), values)
    assert back.GetSpacing() == pytest.approx((0.5, 1.0, 3.0))
    assert {path.name for path in (element / "segmentations").iterdir()} == {"patient-seg.nii.gz", "seg_info.json"}


def test_a_dataset_of_nnunet_brings_its_labels_and_modalities(execute, run_folder):
    folder = run_folder.root / "data" / "Dataset001"
    (folder / "imagesTr").mkdir(parents=True)
    (folder / "labelsTr").mkdir()
    image(folder / "imagesTr" / "case1_0000.nii.gz", np.zeros((2, 8, 8), np.int16))
    image(folder / "labelsTr" / "case1.nii.gz", cube(1, 3, (2, 8, 8)))
    content = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "liver": 1}}
    (folder / "dataset.json").write_text(json.dumps(content))
    assert execute("itk2dcm", **ITK).status == 0
    (element,) = RunFolder(run_folder.root, "batch").elements()
    assert pydicom.dcmread(element / "get-input-data" / "slice0000.dcm").Modality == "MR"
    info = json.loads((element / "segmentations" / "seg_info.json").read_text("utf-8"))
    assert info["seg_info"][1] == {"label_name": "liver", "label_int": 1}


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        ("nothing", "no NIfTI dataset"),
        ("modality", "MODALITY is 'XX'"),
        ("tag", "'PatientID' is not a tag"),
        ("two masks", "has 2 masks"),
    ],
)
def test_an_invalid_dataset_fails_with_its_cause(execute, run_folder, problem, cause):
    folder = run_folder.root / "data"
    folder.mkdir()
    if problem != "nothing":
        image(folder / "patient.nii.gz", np.zeros((2, 8, 8), np.int16))
    if problem == "tag":
        (folder / "meta_data.json").write_text('{"global_tags": {"PatientID": "x"}}')
    if problem == "two masks":
        for name in ("patient-seg1.nii.gz", "patient-seg2.nii.gz"):
            image(folder / name, cube(1, 3, (2, 8, 8)))
    ended = execute("itk2dcm", **{**ITK, "MODALITY": "XX" if problem == "modality" else "CT"})
    assert ended.status == 1
    assert cause in ended.cause


def test_the_stem_of_a_name_loses_letters_as_on_the_platform(tmp_path):
    assert itk2dcm.stem_of(tmp_path / "case.nii.gz") == "case"
    assert itk2dcm.stem_of(tmp_path / "zin.nii.gz") == ""


def test_a_notebook_is_executed_and_kept_as_a_report(execute_tool, run_folder):
    cell = {"cell_type": "code", "source": "print(6 * 7)", "metadata": {}, "outputs": [], "execution_count": None}
    folder = run_folder.root / "notebooks"
    folder.mkdir()
    content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (folder / "report.ipynb").write_text(json.dumps(content))
    env = {"NOTEBOOK_DIR": "notebooks", "NOTEBOOK_FILENAME": "report.ipynb", "OPERATOR_OUT_DIR": "report"}
    ended = execute_tool("jupyterlab-reporting", **env)
    assert ended.status == 0, ended.errors
    report = (run_folder.root / "report" / f"{run_folder.root.name}-report.html").read_text("utf-8")
    assert "42" in report
    assert "6 * 7" not in report


def test_a_missing_notebook_is_reported_with_the_existing_ones(execute, run_folder):
    folder = run_folder.root / "notebooks"
    folder.mkdir()
    (folder / "other.ipynb").write_text("{}")
    env = {"NOTEBOOK_DIR": "notebooks", "NOTEBOOK_FILENAME": "report.ipynb", "OPERATOR_OUT_DIR": "report"}
    ended = execute("jupyterlab-reporting", **env)
    assert ended.status == 1
    assert "beside it: other.ipynb" in ended.cause


def test_the_validator_notes_what_is_missing_in_the_index(execute_tool, run_folder, platform):
    paths = series(run_folder.element("dicom"), slices=3, uid="1.1")
    paths[1].unlink()
    env = {"OPERATOR_IN_DIR": "dicom", "OPERATOR_OUT_DIR": "validator"}
    ended = execute_tool("dicom-validator", **env)
    assert ended.status == 0, ended.errors
    document = platform.documents["1.1"]
    assert document["00000000 IsSeriesComplete_boolean"] is False
    assert document["00000000 MissingInstanceNumbers_integer"] == [2]
    assert document["00111001 ValidationResults_object"]["00111002 ValidationErrors_integer"] > 0


def test_files_of_a_mounted_folder_are_taken_put_and_removed(run_folder, tmp_path):
    mount = tmp_path / "uploads"
    mount.mkdir()
    for name in ("a.zip", "b.zip", "c.txt"):
        (mount / name).write_text(name)
    run = RunFolder(run_folder.root, "batch")
    assert take(run, str(mount), ["a.zip", "c.txt"], (".zip",), "got") == 1
    assert (run.root / "got" / "a.zip").read_text("utf-8") == "a.zip"
    assert take(run, str(mount), ["b.zip"], (".zip",), None) == 1
    assert not (mount / "b.zip").exists()
    (run_folder.element("out") / "r.zip").write_text("r")
    assert put(run, str(mount), ["out"], (".zip",), False) == 1
    assert put(run, str(mount), ["out"], (".zip",), True) == 1
    assert (mount / "r.zip").is_file()
    assert len(list((mount / run.root.name / "batch").rglob("r.zip"))) == 1
    with pytest.raises(ProgramError, match="is not mounted here"):
        put(run, str(tmp_path / "none"), ["out"], (".zip",), True)


@pytest.mark.parametrize(
    ("dirs", "files", "names"),
    [
        (["out"], [], {"r.json", "top.json"}),
        ([], [], {"r.json", "top.json", "conf.json"}),
        (["out"], ["r.json"], {"r.json"}),
        ([], ["conf/conf.json"], {"conf.json"}),
    ],
)
def test_the_old_upload_takes_folders_named_files_or_the_whole_run(run_folder, dirs, files, names):
    (run_folder.element("out") / "r.json").write_text("{}")
    (run_folder.element("out") / "r.dcm").write_text("not in the list of endings")
    (run_folder.root / "out").mkdir()
    (run_folder.root / "out" / "top.json").write_text("{}")
    order = TransferParameters("put", "dag", "{run_dir}", "", "", dirs, files, ENDINGS, False, "")
    assert {path.name for path in files_of(RunFolder(run_folder.root, "batch"), order)} == names
