"""Masks of several labels: merged, fused, filtered, renamed, described (operators 5.1, 5.5 to 5.7)."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from harness.incluster.programs.common import ProgramError, RunFolder
from harness.incluster.programs.local_masks import filter_masks, rename_labels

DIRS = {"OPERATOR_IN_DIR": "algo", "OPERATOR_OUT_DIR": "combine-masks"}
FUSE = {**DIRS, "MODE": "fuse", "FUSE_LABELS_KEY": "FUSE_LABELS", "FUSED_LABEL_NAME_KEY": "FUSED_LABEL_NAME"}
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def mask(path, *voxels, value=1, shape=(4, 4, 4), dtype=np.uint8):
    """Write a mask whose voxels (i, j, k) have a value."""
    values = np.zeros(shape, dtype)
    for voxel in voxels:
        values[voxel] = value
    nib.save(nib.Nifti1Image(values, AFFINE), path)


def voxels(path):
    return np.asarray(nib.load(path).dataobj)


def seg_info(folder, *labels):
    entries = [{"label_name": name, "label_int": number} for name, number in labels]
    (folder / "seg_info.json").write_text(json.dumps({"seg_info": entries}))


def meta(folder, *labels, name="1.2.3-meta.json"):
    """dcmqi's document: a list with one item for each segment."""
    code = {"CodeValue": "1", "CodingSchemeDesignator": "SCT"}
    segments = [
        [{"labelID": n, "SegmentLabel": text, "SegmentedPropertyTypeCodeSequence": {**code, "CodeMeaning": text}}]
        for text, n in labels
    ]
    (folder / name).write_text(json.dumps({"segmentAttributes": segments}))


def read(path):
    return json.loads(path.read_text())


def test_masks_of_single_labels_become_one_mask_with_the_numbers_of_the_list(execute, run_folder):
    folder = run_folder.element("algo")
    mask(folder / "x--1--liver.nii.gz", (0, 0, 0), (0, 0, 1))
    mask(folder / "x--5--left kidney.nii.gz", (1, 1, 1))
    mask(folder / "other.nii.gz", (3, 3, 3))
    seg_info(folder, ("Liver", 1), ("left kidney", "5"), ("spleen", 7))
    ended = execute("merge-masks", **DIRS, MODE="combine")
    assert ended.status == 0, ended.errors
    out = run_folder.element("combine-masks")
    merged = nib.load(out / "combined_masks.nii.gz")
    values = np.asarray(merged.dataobj)
    assert (values[0, 0, 0], values[0, 0, 1], values[1, 1, 1], values[3, 3, 3]) == (1, 1, 5, 0)
    assert np.allclose(merged.affine, AFFINE)
    assert read(out / "seg_info.json") == {
        "seg_info": [
            {"label_name": "Liver", "label_int": 1, "file_found": True},
            {"label_name": "left kidney", "label_int": "5", "file_found": True},
        ]
    }
    assert (out / "left_over_niftis.txt").read_text() == "other.nii.gz\n"
    assert "label 'spleen' is left out: no mask fits" in ended.output


@pytest.mark.parametrize(("first", "used"), [("lung", ["left_lung"]), ("left_lung", ["left_lung", "lung"])])
def test_whether_a_label_inside_another_is_found_depends_on_the_order_of_the_list(execute, run_folder, first, used):
    folder = run_folder.element("algo")
    mask(folder / "lung.nii.gz", (0, 0, 0))
    mask(folder / "left_lung.nii.gz", (1, 1, 1))
    labels = [("lung", 1), ("left_lung", 2)]
    seg_info(folder, *(labels if first == "lung" else labels[::-1]))
    assert execute("merge-masks", **DIRS, MODE="combine").status == 0
    entries = read(run_folder.element("combine-masks") / "seg_info.json")["seg_info"]
    assert [entry["label_name"] for entry in entries] == used


def test_labels_come_from_the_metadata_of_dcmqi_when_there_is_no_seg_info(execute, run_folder):
    folder = run_folder.element("algo")
    meta(folder, ("Liver", 1), ("Spleen", 2))
    mask(folder / "a--1--liver.nii.gz", (0, 0, 0), value=1)
    mask(folder / "a--2--spleen.nii.gz", (1, 0, 0), value=2)
    assert execute("merge-masks", **DIRS, MODE="combine").status == 0
    assert set(np.unique(voxels(run_folder.element("combine-masks") / "combined_masks.nii.gz"))) == {0, 1, 2}


def test_an_overlapping_label_is_dropped_and_an_empty_one_too(execute, run_folder):
    folder = run_folder.element("algo")
    mask(folder / "a.nii.gz", (0, 0, 0))
    mask(folder / "bb.nii.gz", (0, 0, 0), (1, 0, 0))
    mask(folder / "ccc.nii.gz")
    seg_info(folder, ("a", 1), ("bb", 2), ("ccc", 3))
    ended = execute("merge-masks", **DIRS, MODE="combine")
    assert ended.status == 0
    assert "1 voxel(s) overlap other labels" in ended.output
    assert "ccc.nii.gz: empty" in ended.output
    entries = read(run_folder.element("combine-masks") / "seg_info.json")["seg_info"]
    assert [entry["label_name"] for entry in entries] == ["a"]


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        ("no mask", "no *.nii.gz"),
        ("no list", "exactly one *-meta.json"),
        ("no label fits", "has a usable mask"),
        ("another shape", "voxels, the masks before it"),
        ("a value twice", "the value 2 of label 'bb'"),
        ("leftovers", "exists already"),
        ("mode", "MODE is 'add'"),
    ],
)
def test_masks_that_cannot_be_merged_fail_with_their_cause(execute, run_folder, problem, cause):
    folder = run_folder.element("algo")
    if problem != "no mask":
        mask(folder / "a.nii.gz", (0, 0, 0), value=2 if problem == "a value twice" else 1)
        mask(folder / "bb.nii.gz", (1, 0, 0), shape=(4, 4, 5) if problem == "another shape" else (4, 4, 4))
    if problem == "leftovers":
        (run_folder.element("combine-masks") / "seg_info.json").write_text("{}")
    if problem != "no list":
        seg_info(folder, *([("x", 1)] if problem == "no label fits" else [("a", 1), ("bb", 2)]))
    ended = execute("merge-masks", **DIRS, MODE="add" if problem == "mode" else "combine")
    assert ended.status == 1
    assert cause in ended.cause


def test_a_mask_with_the_number_of_another_segment_that_is_merged_already_fails(execute, run_folder):
    folder = run_folder.element("algo")
    mask(folder / "a.nii.gz", (0, 0, 0), value=3)
    values = np.zeros((4, 4, 4), np.uint8)
    values[1, 0, 0], values[2, 0, 0] = 2, 3
    nib.save(nib.Nifti1Image(values, AFFINE), folder / "bb.nii.gz")
    seg_info(folder, ("a", 1), ("bb", 2))
    ended = execute("merge-masks", **DIRS, MODE="combine")
    assert ended.status == 1
    assert "bb.nii.gz: the value 3 of label 'bb' is in the combined mask already" in ended.cause


def test_fused_labels_are_one_label_in_mask_and_documents(execute, run_folder):
    folder = run_folder.element("algo")
    meta(folder, ("Left Lung", 3), ("Heart", 1), ("Right Lung", 2))
    mask(folder / "p--3--leftlung.nii.gz", (0, 0, 0), value=3)
    mask(folder / "p--2--rightlung.nii.gz", (1, 0, 0), value=2)
    mask(folder / "p--1--heart.nii.gz", (2, 0, 0))
    ended = execute("merge-masks", **FUSE, FUSE_LABELS="left lung,Right Lung", FUSED_LABEL_NAME="Lungs")
    assert ended.status == 0, ended.errors
    out = run_folder.element("combine-masks")
    assert {path.name for path in out.glob("*.nii.gz")} == {"p--1--heart.nii.gz", "p--2--lungs.nii.gz"}
    fused = voxels(out / "p--2--lungs.nii.gz")
    assert (fused[0, 0, 0], fused[1, 0, 0], fused[2, 0, 0]) == (2, 2, 0)
    segments = [group[0] for group in read(out / "1.2.3-meta.json")["segmentAttributes"]]
    assert [(s["SegmentLabel"], s["labelID"]) for s in segments] == [("Heart", 1), ("lungs", 2)]
    assert segments[1]["SegmentedPropertyTypeCodeSequence"]["CodeMeaning"] == "lungs"
    assert read(out / "seg_info.json") == [
        {"label_name": "Heart", "label_int": 1},
        {"label_name": "lungs", "label_int": 2},
    ]


def test_fusing_stops_at_a_missing_label_and_drops_later_ones_from_the_documents(execute, run_folder):
    folder = run_folder.element("algo")
    meta(folder, ("a1", 1), ("b1", 2), ("c1", 3))
    for number, name in enumerate(("a1", "b1", "c1"), start=1):
        mask(folder / f"p--{number}--{name}.nii.gz", (number, 0, 0), value=number)
    ended = execute("merge-masks", **FUSE, FUSE_LABELS="a1,x1,c1", FUSED_LABEL_NAME="new")
    assert ended.status == 0, ended.errors
    out = run_folder.element("combine-masks")
    assert {path.name for path in out.glob("*.nii.gz")} == {
        "p--1--new.nii.gz",
        "p--2--b1.nii.gz",
        "p--3--c1.nii.gz",
    }
    assert [entry["label_name"] for entry in read(out / "seg_info.json")] == ["b1", "new"]


def test_fusing_without_labels_copies_everything_and_skips_the_task(execute, run_folder):
    folder = run_folder.element("algo")
    mask(folder / "a.nii.gz", (0, 0, 0))
    ended = execute("merge-masks", **FUSE, FUSE_LABELS="", FUSED_LABEL_NAME="x")
    assert ended.status == 126
    assert "FUSE_LABELS and FUSED_LABEL_NAME are not both given" in ended.output
    assert (run_folder.element("combine-masks") / "a.nii.gz").is_file()


def test_the_list_of_labels_says_which_of_them_the_mask_has(execute, run_folder):
    folder = run_folder.element("algo")
    mask(folder / "all.nii.gz", (0, 0, 0), value=4)
    seg_info(folder, ("a", 4), ("b", "5"))
    ended = execute("update-seginfo", **DIRS)
    assert ended.status == 0, ended.errors
    out = run_folder.element("combine-masks")
    assert [entry["file_found"] for entry in read(out / "seg_info.json")["seg_info"]] == [True, False]
    assert (out / "all.nii.gz").is_file()
    assert "exists already" in execute("update-seginfo", **DIRS).cause


@pytest.fixture
def filtered(run_folder):
    """Two masks with their document, and the run's folder."""
    folder = run_folder.element("masks")
    meta(folder, ("Left Lung", 1), ("Heart", 2), name="p-meta.json")
    mask(folder / "p--1--leftlung.nii.gz", (0, 0, 0))
    mask(folder / "p--2--heart.nii.gz", (1, 0, 0))
    return RunFolder(run_folder.root, "batch")


@pytest.mark.parametrize(
    ("value", "names", "labels"),
    [
        ("Keep: left lung", {"p--1--leftlung.nii.gz"}, ["Left Lung"]),
        ("ignore:Left Lung", {"p--2--heart.nii.gz"}, ["Heart"]),
        # the names of the folders are searched too
        ("Keep: masks", {"p--1--leftlung.nii.gz", "p--2--heart.nii.gz"}, []),
        ("", {"p--1--leftlung.nii.gz", "p--2--heart.nii.gz"}, ["Left Lung", "Heart"]),
    ],
)
def test_a_filter_keeps_masks_and_segments(filtered, run_folder, value, names, labels):
    filter_masks(filtered, "masks", "filtered", value)
    out = run_folder.element("filtered")
    assert {path.name for path in out.glob("*.nii.gz")} == names
    segments = [group[0] for group in read(out / "p-meta.json")["segmentAttributes"]]
    assert [segment["SegmentLabel"] for segment in segments] == labels


@pytest.mark.parametrize("value", ["lung", "Only: lung"])
def test_a_filter_without_keep_or_ignore_fails(filtered, value):
    with pytest.raises(ProgramError, match="must be 'Keep"):
        filter_masks(filtered, "masks", "filtered", value)


def rename(run, form, **options):
    wanted = {"write_seg_info": True, "write_metainfo": True, "into_source": False, **options}
    return rename_labels(run, "masks", "renamed", name="rename", metainfo="masks", form=form, **wanted)


def test_labels_are_renamed_in_both_documents_and_in_the_names_of_masks(filtered, run_folder):
    seg_info(run_folder.element("masks"), ("Left Lung", 1))
    assert rename(filtered, {"old_labels": "left lung", "new_labels": "Lung"}, into_source=True) == 1
    out = run_folder.element("renamed")
    assert {path.name for path in out.glob("*.nii.gz")} == {"p--1--lung.nii.gz", "p--2--heart.nii.gz"}
    assert read(out / "seg_info.json") == {"seg_info": [{"label_name": "lung", "label_int": 1}]}
    ((segment,),) = read(out / "rename-meta.json")["segmentAttributes"]  # the heart is not in seg_info
    assert (segment["SegmentLabel"], segment["SegmentedPropertyTypeCodeSequence"]["CodeMeaning"]) == ("lung", "lung")
    assert read(run_folder.element("masks") / "rename.json") == read(out / "rename-meta.json")


def test_nothing_is_renamed_without_labels_and_lists_must_have_one_length(filtered, run_folder):
    seg_info(run_folder.element("masks"), ("Left Lung", 1))
    assert rename(filtered, {}) == 0
    with pytest.raises(ProgramError, match="old_labels has 1 label"):
        rename(filtered, {"old_labels": "a", "new_labels": "b,c"})
