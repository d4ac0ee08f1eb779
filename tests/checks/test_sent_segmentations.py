"""Whatever is odd about a segmentation that was sent is a finding, with the file's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from harness.checks import Segmentation
from harness.data import Series
from harness.findings import Finding
from harness.run.outputs import SentObject
from harness.run.sent_segmentations import collect_findings

WriteSeg = Callable[..., Path]
Kind = hd.seg.SegmentationTypeValues


def found_in(path: Path, series: Series) -> list[Finding]:
    sop_class = str(pydicom.dcmread(path, stop_before_pixels=True).SOPClassUID)
    return collect_findings([SentObject(path.name, sop_class, "1", "1", "kp-a", "kp-b", path.parent)], [series])


def said(path: Path, series: Series) -> list[tuple[str, str, str]]:
    return [(item.rule, item.where, item.message) for item in found_in(path, series)]


@pytest.mark.parametrize("kind", [Kind.BINARY, Kind.FRACTIONAL])
def test_a_valid_object_has_no_findings(series: Series, masks: Any, write_seg: WriteSeg, kind: Any) -> None:
    assert said(write_seg(series, masks, kind=kind), series) == []


def test_a_label_map_is_named_with_the_releases_whose_tools_do_not_read_it(
    series: Series, masks: Any, write_seg: WriteSeg
) -> None:
    path = write_seg(series, {"Liver": masks["Liver"]}, kind=Kind.LABELMAP)
    (found,) = found_in(path, series)
    assert (found.rule, found.severity, found.where) == ("label-map-segmentation", "warning", "seg.dcm")
    assert found.platforms == ("0.4", "0.5.0", "0.5.3", "0.6.0", "0.6.1")
    assert "BINARY" in found.fix


def number_with_a_gap(dataset: Any) -> None:
    dataset.SegmentSequence[1].SegmentNumber = 5
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        identification = frame.SegmentIdentificationSequence[0]
        if identification.ReferencedSegmentNumber == 2:
            identification.ReferencedSegmentNumber = 5


def clear(dataset: Any) -> None:
    dataset.PixelData = bytes(len(dataset.PixelData))


def move(dataset: Any, millimetres: float, frames: int | None = None) -> None:
    for frame in dataset.PerFrameFunctionalGroupsSequence[:frames]:
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        frame.PlanePositionSequence[0].ImagePositionPatient = [*position[:2], float(position[2]) + millimetres]


def drop_references(dataset: Any) -> None:
    del dataset.ReferencedSeriesSequence


@pytest.mark.parametrize(
    ("change", "rule", "words"),
    [
        (
            number_with_a_gap,
            "invalid-segmentation",
            "segments are numbered [1, 5], they must count from 1 in steps of 1",
        ),
        (drop_references, "invalid-segmentation", "ReferencedSeriesSequence missing or empty"),
        (clear, "empty-segmentation", "no voxel belongs to a segment"),
        (lambda ds: move(ds, 300), "segmentation-beside-source", "no frame is where a slice of its source is"),
        (
            lambda ds: move(ds, 1),
            "segmentation-beside-source",
            "the segmentation's voxels lie between those of its source",
        ),
    ],
    ids=["gap", "no references", "empty", "elsewhere", "between"],
)
def test_a_problem_of_a_file_is_a_finding_with_its_name(
    series: Series, masks: Any, write_seg: WriteSeg, change: Callable[[Any], None], rule: str, words: str
) -> None:
    (found,) = said(write_seg(series, masks, change=change), series)
    assert found[:2] == (rule, "seg.dcm")
    assert found[2].startswith(words)


def test_frames_in_another_order_are_the_same_segmentation(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    def reverse(dataset: Any) -> None:
        frames = dataset.pixel_array[::-1]
        dataset.PixelData = pydicom.pixels.utils.pack_bits(np.ascontiguousarray(frames).reshape(-1))
        groups = list(dataset.PerFrameFunctionalGroupsSequence)
        dataset.PerFrameFunctionalGroupsSequence = groups[::-1]

    path = write_seg(series, masks, change=reverse)
    assert said(path, series) == []
    for label, mask in masks.items():
        assert np.array_equal(Segmentation(path, sources=[series]).mask(label), mask)


def test_a_label_map_of_more_than_255_labels_is_read_voxel_by_voxel(series: Series, write_seg: WriteSeg) -> None:
    masks = {}
    for number in range(300):
        mask = np.zeros(series.planes.shape, bool)
        mask.ravel()[number] = True
        masks[f"region {number}"] = mask
    path = write_seg(series, masks, kind=Kind.LABELMAP)
    assert [item.rule for item in found_in(path, series)] == ["label-map-segmentation"]
    segmentation = Segmentation(path, sources=[series])
    assert segmentation.is_valid
    assert len(segmentation.labels) == 300
    assert np.array_equal(segmentation.mask("region 299"), masks["region 299"])


def test_fractions_count_from_one_half(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    segmentation = Segmentation(write_seg(series, masks, kind=Kind.FRACTIONAL), sources=[series])
    assert segmentation.is_valid
    assert segmentation.voxels("Liver") == int(masks["Liver"].sum())


def test_an_unreadable_segmentation_is_a_finding_and_other_objects_are_not_looked_at(
    tmp_path: Path, series: Series
) -> None:
    (tmp_path / "x.dcm").write_bytes(b"no DICOM")
    sent = [
        SentObject("x.dcm", sop_class, "1", "1", "a", "b", tmp_path)
        for sop_class in ("1.2.840.10008.5.1.4.1.1.66.4", SecondaryCaptureImageStorage)
    ]
    (found,) = collect_findings(sent, [series])
    assert found.rule == "invalid-segmentation"
    assert "x.dcm cannot be read as DICOM" in found.message
