"""Masks to DICOM SEG: labels, codes, side files, and every way it can fail."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813

from harness.incluster.programs import dcmqi, segment_codes
from harness.incluster.programs.segment_codes import CUSTOM, Code, look_up
from tests.incluster.programs.enhanced import write_enhanced
from tests.incluster.programs.program_runs import SERIES, series, volume

DIRS = {
    "OPERATOR_IN_DIR": "get-input-data",
    "OPERATOR_IMAGE_LIST_INPUT_DIR": "algo",
    "OPERATOR_OUT_DIR": "nrrd2dcmseg",
}
SINGLE = {**DIRS, "INPUT_TYPE": "single_label_segs", "SINGLE_LABEL_SEG_INFO": "brain"}
MULTI = {**DIRS, "INPUT_TYPE": "multi_label_seg", "SINGLE_LABEL_SEG_INFO": ""}


def mask(path, labels=None):
    """Write a mask on the grid of the series: 1 in the block, or what ``labels`` says in (slice, row, column)."""
    values = (volume() > 100).astype(np.uint8) if labels is None else labels.astype(np.uint8)
    write_mask(path, values)
    return values


def write_mask(path, values, spacing=(1.5, 1.0, 2.0), origin=(-10, -20, 0)):
    """Write any values on a grid, by default that of the series."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(values))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    sitk.WriteImage(image, str(path))


@pytest.fixture
def source(run_folder):
    return series(run_folder.element("get-input-data"), BodyPartExamined="HEAD")


def result(run_folder, name, uid=SERIES):
    return pydicom.dcmread(run_folder.element("nrrd2dcmseg", uid=uid) / name)


@pytest.mark.usefixtures("source")
def test_a_mask_becomes_a_seg_with_the_named_segment_that_references_the_source(execute_tool, run_folder):
    values = mask(run_folder.element("algo") / "otsu.nrrd")
    ended = execute_tool("dcmqi", **SINGLE, ALGORITHM_NAME="Otsus", CREATOR_NAME="me", ALGORITHM_TYPE="AUTOMATIC")
    assert ended.status == 0, ended.errors
    seg = result(run_folder, "otsu.dcm")
    (segment,) = seg.SegmentSequence
    assert (segment.SegmentNumber, segment.SegmentLabel) == (1, "brain")
    assert segment.SegmentAlgorithmName == "Otsus"
    for name in ("Category", "Type"):
        (code,) = segment[f"SegmentedProperty{name}CodeSequence"].value
        assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == ("12738006", "SCT", "brain")
    (referenced,) = seg.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == SERIES
    assert len(referenced.ReferencedInstanceSequence) == 6
    assert (
        seg.StudyInstanceUID
        == pydicom.dcmread(run_folder.element("get-input-data") / f"{SERIES}.1.dcm").StudyInstanceUID
    )
    assert (seg.SeriesNumber, seg.SeriesDescription, seg.ContentCreatorName) == (300, "Otsus", "me")
    assert seg.pixel_array.sum() == values.sum()


@pytest.mark.usefixtures("source")
def test_protocol_and_body_part_come_from_the_source_or_their_defaults(execute_tool, run_folder):
    mask(run_folder.element("algo") / "otsu.nrrd")
    assert execute_tool("dcmqi", **SINGLE).status == 0
    seg = result(run_folder, "otsu.dcm")
    assert seg.ClinicalTrialProtocolID == "internal"
    assert seg["BodyPartExamined"].value == "HEAD"
    assert seg.SeriesDescription == "UNKOWN SEGMENTATION ALGORITHM"


@pytest.mark.parametrize(("skip", "frames"), [("False", 6), ("True", 4)])
@pytest.mark.usefixtures("source")
def test_empty_slices_are_encoded_unless_they_are_to_be_skipped(execute_tool, run_folder, skip, frames):
    labels = (volume() > 100).astype(np.uint8)
    labels[[0, 2, 5]] = 0  # the one between two others stays in both cases
    mask(run_folder.element("algo") / "otsu.nrrd", labels)
    assert execute_tool("dcmqi", **SINGLE, SKIP_EMPTY_SLICES=skip).status == 0
    assert result(run_folder, "otsu.dcm").NumberOfFrames == frames


@pytest.mark.usefixtures("source")
def test_labels_from_file_names_are_lower_case(execute_tool, run_folder):
    mask(run_folder.element("algo") / "Left@Kidney.nii.gz")
    mask(run_folder.element("algo") / "Spleen.nrrd")
    assert execute_tool("dcmqi", **{**SINGLE, "SINGLE_LABEL_SEG_INFO": "from_file_name"}).status == 0
    kidney = result(run_folder, "Left@Kidney.dcm").SegmentSequence[0]
    assert kidney.SegmentLabel == "left@kidney"
    assert kidney.SegmentedPropertyTypeCodeSequence[0].CodeValue == "64033007"
    assert result(run_folder, "Spleen.dcm").SegmentSequence[0].SegmentLabel == "spleen"


@pytest.mark.usefixtures("source")
def test_the_combined_seg_has_a_segment_for_every_mask(execute_tool, run_folder):
    mask(run_folder.element("algo") / "liver.nrrd")
    mask(run_folder.element("algo") / "spleen.nrrd")
    ended = execute_tool(
        "dcmqi",
        **{**SINGLE, "SINGLE_LABEL_SEG_INFO": "from_file_name"},
        CREATE_MULIT_LABEL_DCM_FROM_SINGLE_LABEL_SEGS="True",
        MULTI_LABEL_SEG_NAME="Both",
    )
    assert ended.status == 0, ended.errors
    assert [s.SegmentLabel for s in result(run_folder, "both.dcm").SegmentSequence] == ["liver", "spleen"]
    assert "this release" in ended.output


@pytest.mark.usefixtures("source")
def test_a_name_with_blanks_and_umlauts_is_that_of_the_files(execute_tool, run_folder):
    folder = run_folder.element("algo")
    mask(folder / "all.nii.gz")
    (folder / "seg_info.json").write_text(json.dumps({"seg_info": [{"label_name": "Liver", "label_int": 1}]}))
    ended = execute_tool("dcmqi", **MULTI, MULTI_LABEL_SEG_NAME="Meine Gefäße (neu)")
    assert ended.status == 0, ended.errors
    assert result(run_folder, "meine gefäße (neu).dcm").SegmentSequence[0].SegmentLabel == "Liver"
    assert (folder / "meine gefäße (neu).json").is_file()


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("../../../../X", "../../../../x.json' leads out of the run's folder"),
        ("Left/Liver", "multi_label_seg_name 'left/liver' is a path, and there is no folder"),
    ],
)
@pytest.mark.usefixtures("source")
def test_a_name_that_is_a_path_fails_unless_its_folder_exists(execute, run_folder, monkeypatch, name, cause):
    monkeypatch.setattr(dcmqi, "executable", str)
    folder = run_folder.element("algo")
    mask(folder / "all.nii.gz")
    (folder / "seg_info.json").write_text(json.dumps({"seg_info": [{"label_name": "Liver", "label_int": 1}]}))
    ended = execute("dcmqi", **MULTI, MULTI_LABEL_SEG_NAME=name)
    assert ended.status == 1
    assert cause in ended.cause


@pytest.mark.usefixtures("source")
def test_a_multi_label_mask_gets_its_labels_from_seg_info(execute_tool, run_folder):
    labels = (volume() > 100).astype(np.uint8)
    labels[:, 4:8][labels[:, 4:8] == 1] = 5
    folder = run_folder.element("algo")
    mask(folder / "all.nii.gz", labels)
    info = [("Clear Label", 0), ("Liver", "1"), ("tumor", 5)]
    entries = [{"label_name": name, "label_int": value} for name, value in info]
    content = {"seg_info": entries, "algorithm": "net", "task_body_part": "ABDOMEN"}
    (folder / "seg_info.json").write_text(json.dumps(content))
    ended = execute_tool("dcmqi", **MULTI, MULTI_LABEL_SEG_NAME="MyAlgo", ALGORITHM_NAME="a")
    assert ended.status == 0, ended.errors
    seg = result(run_folder, "myalgo.dcm")
    assert [(s.SegmentNumber, s.SegmentLabel) for s in seg.SegmentSequence] == [(1, "Liver"), (2, "tumor")]
    assert seg.SeriesDescription == "a-net"
    assert seg["BodyPartExamined"].value == "ABDOMEN"
    assert (folder / "myalgo.json").is_file()
    assert "notice custom-segment-code: 'tumor' is not a term" in ended.output


@pytest.mark.usefixtures("source")
def test_an_existing_metadata_file_is_used_unchanged(execute_tool, run_folder):
    folder = run_folder.element("algo")
    mask(folder / "otsu.nrrd")
    assert execute_tool("dcmqi", **SINGLE).status == 0
    content = json.loads((folder / "otsu.json").read_text())
    content["SeriesDescription"] = "mine"
    (folder / "otsu.json").write_text(json.dumps(content))
    ended = execute_tool("dcmqi", **SINGLE)
    assert ended.status == 0
    assert result(run_folder, "otsu.dcm").SeriesDescription == "mine"
    assert "notice old-metadata-used: " in ended.output


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        ("other value", "otsu.nrrd has voxels of the value(s) 3, which no label describes (described: 1;"),
        ("no voxel", "otsu.nrrd is empty, no voxel has a label"),
        ("large", "otsu.nrrd has the value 40000: dcmqi reads masks as numbers up to 32767"),
        ("probability", "otsu.nrrd has no value from 1 on, they go from 0 to 0.5, and dcmqi cuts them"),
    ],
)
@pytest.mark.usefixtures("source")
def test_a_mask_that_dcmqi_refuses_is_named_with_what_is_wrong_in_it(execute_tool, run_folder, problem, cause):
    value = {"other value": np.uint8(3), "no voxel": np.uint8(0), "large": np.uint16(40000)}.get(problem, 0.5)
    write_mask(run_folder.element("algo") / "otsu.nrrd", (volume() > 100) * value)
    ended = execute_tool("dcmqi", **SINGLE)
    assert ended.status == 1
    assert f"dcmqi refuses otsu.nrrd: {cause}" in ended.cause
    assert not (run_folder.element("nrrd2dcmseg") / "otsu.dcm").exists()


@pytest.mark.usefixtures("source")
def test_a_mask_beside_the_slices_of_its_source_is_pointed_out(execute_tool, run_folder):
    path = run_folder.element("algo") / "otsu.nrrd"
    mask(path)
    assert "beside" not in execute_tool("dcmqi", **SINGLE).output
    image = sitk.ReadImage(str(path))
    image.SetOrigin((-10, -20, 500))
    sitk.WriteImage(image, str(path))
    ended = execute_tool("dcmqi", **SINGLE)
    assert ended.status == 0
    assert "notice mask-beside-source: otsu.nrrd" in ended.output


@pytest.mark.usefixtures("source")
def test_frames_where_the_source_has_no_slice_are_counted(execute_tool, run_folder):
    mask(run_folder.element("algo") / "otsu.nrrd")
    for number in (3, 4):
        (run_folder.element("get-input-data") / f"{SERIES}.{number}.dcm").unlink()
    ended = execute_tool("dcmqi", **SINGLE)
    assert ended.status == 0, ended.errors
    assert (
        "notice mask-beside-source: otsu.nrrd: 2 of 6 frames lie where the source series has no slice" in ended.output
    )
    assert "the first at (-10, -20, 4)" in ended.output


BLOCK = volume() > 100
# two values in turns of columns, the others are not described
STRIPES = BLOCK * (2 + 3 * (np.arange(BLOCK.shape[2]) % 2))


@pytest.mark.parametrize(
    ("values", "grid", "said"),
    [
        (
            BLOCK * np.float32(1.5),
            {},
            "mask-fractional: otsu.nrrd has 480 voxels with values that are not whole numbers",
        ),
        (
            BLOCK.astype(np.uint8).transpose(2, 1, 0),
            {},
            "mask-beside-source: otsu.nrrd has 20 x 16 x 6 voxels (slices, rows, columns), its source 6 x 16 x 20: its "
            "axes are in reverse order",
        ),
        (
            BLOCK.astype(np.uint8),
            {"spacing": (2.0, 2.0, 2.0)},
            "mask-beside-source: otsu.nrrd has pixels of 2 x 2 mm, its source of 1 x 1.5 mm",
        ),
        (
            BLOCK.astype(np.uint8),
            {"origin": (-10, -20, 500)},
            "mask-beside-source: otsu.nrrd: no slice of the mask is where a slice of the source series is",
        ),
    ],
    ids=["fractional", "axes", "spacing", "elsewhere"],
)
@pytest.mark.usefixtures("source")
def test_changes_that_dcmqi_makes_silently_are_pointed_out(execute_tool, run_folder, values, grid, said):
    write_mask(run_folder.element("algo") / "otsu.nrrd", values, **grid)
    ended = execute_tool("dcmqi", **SINGLE)
    assert ended.status == 0, ended.errors
    (line,) = [line for line in ended.output.splitlines() if line.startswith("notice ")]
    assert line.startswith(f"notice {said}")


@pytest.mark.usefixtures("source")
def test_a_part_of_the_sources_grid_has_no_finding(execute_tool, run_folder):
    write_mask(run_folder.element("algo") / "otsu.nrrd", BLOCK[1:4].astype(np.uint8), origin=(-10, -20, 2))
    assert "notice" not in execute_tool("dcmqi", **SINGLE).output


def seg_info(folder, *values):
    entries = [{"label_name": f"region {value}", "label_int": value} for value in values]
    (folder / "seg_info.json").write_text(json.dumps({"seg_info": entries}))


@pytest.mark.usefixtures("source")
def test_gaps_in_the_values_renumber_segments_and_labels_without_voxels_have_none(execute_tool, run_folder):
    folder = run_folder.element("algo")
    mask(folder / "all.nrrd", STRIPES)
    seg_info(folder, 2, 3, 5, 9)
    ended = execute_tool("dcmqi", **MULTI)
    assert ended.status == 0, ended.errors
    seg = result(run_folder, "multi-label.dcm")
    assert [(s.SegmentNumber, s.SegmentLabel) for s in seg.SegmentSequence] == [(1, "region 2"), (2, "region 5")]
    assert (
        "notice segments-renumbered: all.nrrd: segments count from 1 without gaps, the value 2 is segment 1, 5 is "
        "segment 2\n" in ended.output
    )
    assert "notice label-without-voxels: all.nrrd has no voxel of region 3 (3), region 9 (9): the SEG" in ended.output


@pytest.mark.usefixtures("source")
def test_more_than_255_labels_are_as_many_segments(execute_tool, run_folder):
    folder = run_folder.element("algo")
    labels = np.zeros(BLOCK.shape, np.uint16)
    labels.ravel()[: 300 * 6 : 6] = np.arange(1, 301)
    write_mask(folder / "all.nrrd", labels)
    seg_info(folder, *range(1, 301))
    ended = execute_tool("dcmqi", **MULTI, SKIP_EMPTY_SLICES="True")
    assert ended.status == 0, ended.errors
    seg = result(run_folder, "multi-label.dcm")
    assert [s.SegmentNumber for s in seg.SegmentSequence] == list(range(1, 301))
    assert not {"segments-renumbered", "label-without-voxels"} & set(ended.output.replace(":", " ").split())


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Ada"),
        ("ISO_IR 144", "Люксембург^Роза"),
        ("ISO_IR 166", "นามสกุล^ชื่อ"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_the_patient_of_a_seg_has_the_name_of_the_source_in_its_letters(execute_tool, run_folder, character_set, name):
    described = name.partition("=")[0]
    series(
        run_folder.element("get-input-data"), SpecificCharacterSet=character_set, PatientName=name,
        StudyDescription=described,
    )  # fmt: skip
    mask(run_folder.element("algo") / "otsu.nrrd")
    ended = execute_tool("dcmqi", **SINGLE)
    assert ended.status == 0, ended.errors
    seg = result(run_folder, "otsu.dcm")
    assert (seg.SpecificCharacterSet, seg.PatientName, seg.StudyDescription) == (character_set, name, described)


@pytest.mark.usefixtures("source")
def test_a_label_in_other_letters_than_ascii_is_the_cause(execute_tool, run_folder):
    mask(run_folder.element("algo") / "otsu.nrrd")
    ended = execute_tool("dcmqi", **{**SINGLE, "SINGLE_LABEL_SEG_INFO": "Gefäß"})
    assert ended.status == 1
    assert "dcmqi refuses otsu.nrrd: the label 'gefäß' has letters that are not ASCII" in ended.cause


def test_an_enhanced_source_is_the_cause_and_not_a_line_of_dcmqis_code(execute_tool, run_folder):
    write_enhanced(run_folder.element("get-input-data") / "1.1.dcm", [2.0 * index for index in range(6)])
    mask(run_folder.element("algo") / "otsu.nrrd")
    ended = execute_tool("dcmqi", **SINGLE)
    assert ended.status == 1
    assert (
        "dcmqi refuses the source series in batch/1.2.826.0.1.3680043.10.1.1.7/get-input-data: 1.1.dcm holds 6 frames "
        "(Enhanced MR Image Storage): dcmqi takes source images with one frame a file" in ended.cause
    )


@pytest.mark.parametrize(
    ("masks", "labels", "cause"),
    [
        (2, [1], "2 mask files for one list of labels"),
        (1, [2], "voxels of the value(s) 1, which no label describes (described: 2;"),
    ],
)
@pytest.mark.usefixtures("source")
def test_masks_that_the_list_of_labels_does_not_fit_are_named(execute_tool, run_folder, masks, labels, cause):
    folder = run_folder.element("algo")
    for number in range(masks):
        mask(folder / f"{number}.nrrd")
    info = [{"label_name": "liver", "label_int": value} for value in labels]
    (folder / "seg_info.json").write_text(json.dumps({"seg_info": info}))
    ended = execute_tool("dcmqi", **MULTI)
    assert ended.status == 1
    assert cause in ended.cause


@pytest.mark.usefixtures("source")
def test_an_element_without_a_mask_fails_the_task(execute_tool, run_folder):
    ended = execute_tool("dcmqi", **SINGLE)
    assert ended.status == 1
    assert "no mask" in ended.cause
    assert (run_folder.root / "batch" / SERIES / "nrrd2dcmseg").is_dir()


@pytest.mark.usefixtures("source")
def test_an_element_without_a_mask_may_be_skipped_but_not_all_of_them(execute_tool, run_folder):
    ended = execute_tool("dcmqi", **SINGLE, FAIL_ON_NO_SEGMENTATION_FOUND="False")
    assert ended.status == 1
    assert "no files processed" in ended.cause
    other = f"{SERIES}1"
    series(run_folder.element("get-input-data", uid=other), uid=other)
    mask(run_folder.element("algo", uid=other) / "otsu.nrrd")
    assert execute_tool("dcmqi", **SINGLE, FAIL_ON_NO_SEGMENTATION_FOUND="False").status == 0


def test_an_element_without_source_images_fails(execute_tool, run_folder):
    mask(run_folder.element("algo") / "otsu.nrrd")
    run_folder.element("get-input-data")
    assert execute_tool("dcmqi", **SINGLE).status == 1


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (None, "seg_info.json"),
        ("[]", "not an object with the list seg_info"),
        ('{"labels": []}', "not an object with the list seg_info"),
        ('{"seg_info": ["liver"]}', "entry 0 needs label_int"),
        ("{", "is not JSON"),
    ],
)
@pytest.mark.usefixtures("source")
def test_a_label_list_that_is_missing_or_malformed_fails(execute_tool, run_folder, content, cause):
    mask(run_folder.element("algo") / "all.nrrd")
    if content is not None:
        (run_folder.element("algo") / "seg_info.json").write_text(content)
    ended = execute_tool("dcmqi", **MULTI)
    assert ended.status == 1
    assert cause in ended.cause


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"SINGLE_LABEL_SEG_INFO": ""}, "SINGLE_LABEL_SEG_INFO is empty"),
        ({"INPUT_TYPE": "labels"}, "INPUT_TYPE is 'labels'"),
        ({"OPERATOR_IN_DIR": ""}, "OPERATOR_IN_DIR is not set"),
        ({"DCMQI_COMMAND": "dcm2niix"}, "DCMQI_COMMAND"),
    ],
)
def test_wrong_parameters_are_named(execute, change, cause):
    ended = execute("dcmqi", **{**SINGLE, **change})
    assert ended.status == 1
    assert cause in ended.cause


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("liver", Code("SCT", "10200004")),
        ("Brain", Code("SCT", "12738006")),
        ("right@kidney", Code("SCT", "64033007")),
        ("right kidney", Code("SCT", "64033007")),
        ("kidney_right", CUSTOM),
        ("lung_upper_lobe_left", CUSTOM),
        ("tumor", CUSTOM),
        ("", CUSTOM),
    ],
)
def test_a_label_gets_the_code_of_the_term_that_it_names(label, code):
    assert look_up(label) == code


def test_the_code_table_has_one_row_for_a_code_and_still_agrees_with_pydicom():
    rows = [line.split("\t") for line in segment_codes._TABLE.read_text("utf-8").splitlines()]
    assert {len(row) for row in rows} == {3}
    assert len({tuple(row) for row in rows}) == len(rows)
    current = {tuple(line.split("\t")) for line in segment_codes.generate().splitlines()}
    # terms move in and out of the context groups with the editions of the standard
    assert len(current & {tuple(row) for row in rows}) > 0.9 * len(rows)
