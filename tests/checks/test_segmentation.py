"""A segmentation is judged on the source's voxels, and a bad one is distinguished from a good one in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from made_series import SHAPE, write_series

from harness.checks import Segmentation
from harness.data import Series, read_input
from harness.errors import CheckError
from harness.geometry import ProblemKind

WriteSeg = Callable[..., Path]


def test_a_good_segmentation_is_valid_and_made_from_its_series(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    seg = Segmentation(write_seg(series, masks), sources=[series])
    assert seg.is_valid
    assert seg.references(series)
    assert seg.labels == ["Liver", "Tumour"]


def test_masks_come_back_voxel_by_voxel_in_the_order_of_the_series(
    series: Series, masks: Any, write_seg: WriteSeg
) -> None:
    seg = Segmentation(write_seg(series, masks), sources=[series])
    assert seg.geometry.shape == SHAPE
    for label, mask in masks.items():
        assert np.array_equal(seg.mask(label), mask)
        assert seg.dice(label, mask) == 1.0
    assert seg.voxels("Liver") == int(masks["Liver"].sum())
    assert seg.volume_ml("Liver") == pytest.approx(masks["Liver"].sum() * 3.0 * 1.5 * 2.0 / 1000)
    assert seg.dice("Liver", masks["Liver"][::-1]) < 1.0


def test_empty_slices_that_were_left_out_are_pointed_out(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    sparse = Segmentation(write_seg(series, masks)).lies_on(series)
    assert not sparse
    assert sparse.summary.startswith("(3, 9, 7) voxels (slices, rows, columns) instead of (6, 9, 7)")
    full = {"Liver": masks["Liver"].copy()}
    full["Liver"][:, 0, 0] = True
    assert Segmentation(write_seg(series, full)).lies_on(series)


def test_dice_of_a_shifted_mask_is_the_textbook_value(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    seg = Segmentation(write_seg(series, masks), sources=[series])
    truth = masks["Tumour"].copy()
    truth[2, 3, 6] = True
    assert seg.dice("Tumour", truth) == pytest.approx(2 / 3)


def test_without_its_source_a_segmentation_has_its_own_grid(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    seg = Segmentation(write_seg(series, {"Tumour": masks["Tumour"]}))
    assert seg.own_geometry.shape[1:] == SHAPE[1:]
    assert seg.voxels("Tumour") == 1


def test_a_segmentation_of_another_series_says_which(
    series: Series, masks: Any, write_seg: WriteSeg, tmp_path: Path
) -> None:
    other = read_input(write_series(tmp_path / "other", uid="1.2.3.7"))[0]
    verdict = Segmentation(write_seg(series, masks)).references(other)
    assert not verdict
    assert "references series 1.2.3.4, not 1.2.3.7" in repr(verdict)
    assert any("frame of reference" in line for line in verdict.details)


def test_references_to_foreign_images_of_the_right_series_are_found(
    series: Series, masks: Any, write_seg: WriteSeg
) -> None:
    def change(dataset: Any) -> None:
        item = dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]
        item.ReferencedSOPInstanceUID = "1.9.9"

    verdict = Segmentation(write_seg(series, masks, change=change)).references(series)
    assert not verdict
    assert "1.9.9" in verdict.summary


def _frames(dataset: Any) -> None:
    dataset.NumberOfFrames = int(dataset.NumberOfFrames) + 1


def _pixels(dataset: Any) -> None:
    dataset.PixelData = dataset.PixelData[:-2]


def _segment_numbers(dataset: Any) -> None:
    dataset.SegmentSequence[1].SegmentNumber = 3


def _uid(dataset: Any) -> None:
    dataset.SeriesInstanceUID = "1.02.x"


def _label(dataset: Any) -> None:
    dataset.SegmentSequence[0].SegmentLabel = ""


def _category(dataset: Any) -> None:
    dataset.SegmentSequence[0].SegmentedPropertyCategoryCodeSequence[0].CodeMeaning = ""


def _references(dataset: Any) -> None:
    del dataset.ReferencedSeriesSequence


def _position(dataset: Any) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence


def _modality(dataset: Any) -> None:
    dataset.Modality = "CT"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_frames, "frames are described"),
        (_pixels, "PixelData has"),
        (_segment_numbers, "count from 1"),
        (_uid, "is not a valid UID"),
        (_label, "has no SegmentLabel"),
        (_category, "no complete code"),
        (_references, "ReferencedSeriesSequence"),
        (_position, "PlanePositionSequence missing in 1 of"),
        (_modality, "must have SEG"),
    ],
)
def test_errors_of_a_segmentation_are_named(
    series: Series, masks: Any, write_seg: WriteSeg, change: Callable[[Any], None], words: str
) -> None:
    verdict = Segmentation(write_seg(series, masks, change=change)).is_valid
    assert not verdict
    assert words in "\n".join([verdict.summary, *verdict.details])


def test_an_unknown_label_lists_those_that_exist(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    with pytest.raises(CheckError, match="has no segment 'Spleen'; it has 'Liver', 'Tumour'"):
        Segmentation(write_seg(series, masks)).mask("Spleen")


def test_labels_are_found_without_regard_to_case(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    assert Segmentation(write_seg(series, masks)).voxels("tumour") == 1


def test_a_truth_of_another_shape_is_refused(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    seg = Segmentation(write_seg(series, masks), sources=[series])
    with pytest.raises(CheckError, match="the truth"):
        seg.dice("Liver", masks["Liver"].transpose(0, 2, 1))


def test_a_mask_between_the_voxels_of_its_source_is_refused(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    def change(dataset: Any) -> None:
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            plane = frame.PlanePositionSequence[0]
            plane.ImagePositionPatient = [float(value) + 0.7 for value in plane.ImagePositionPatient]

    seg = Segmentation(write_seg(series, masks, change=change), sources=[series])
    with pytest.raises(CheckError, match="between those of its source"):
        seg.mask("Liver")


def test_a_mask_in_another_frame_of_reference_than_its_source_is_refused(
    series: Series, masks: Any, write_seg: WriteSeg
) -> None:
    def change(dataset: Any) -> None:
        dataset.FrameOfReferenceUID = "1.9"

    seg = Segmentation(write_seg(series, masks, change=change), sources=[series])
    with pytest.raises(CheckError, match=r"seg\.dcm is in another frame of reference \(1\.9\) than the series"):
        seg.mask("Liver")


def test_other_dicom_objects_and_other_files_are_not_read_as_a_segmentation(series: Series, tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="not a segmentation but CT Image Storage"):
        Segmentation(series.files[0])
    text = tmp_path / "x.dcm"
    text.write_text("hello")
    with pytest.raises(CheckError, match="cannot be read as DICOM"):
        Segmentation(text)


# --- label maps -----------------------------------------------------------------------------------------------------

LABEL_MAP = hd.seg.SegmentationTypeValues.LABELMAP


@pytest.fixture
def apart(masks: dict[str, Any]) -> dict[str, Any]:
    """The masks without the voxel that both have."""
    return {"Liver": masks["Liver"] & ~masks["Tumour"], "Tumour": masks["Tumour"]}


def test_a_label_map_is_a_segmentation_like_others(series: Series, apart: Any, write_seg: WriteSeg) -> None:
    seg = Segmentation(write_seg(series, apart, kind=LABEL_MAP), sources=[series])
    assert seg.is_label_map
    assert seg.is_valid
    assert seg.references(series)
    assert seg.labels == ["Liver", "Tumour"]
    for label, mask in apart.items():
        assert np.array_equal(seg.mask(label), mask)
        assert seg.dice(label, mask) == 1.0


def _value(dataset: Any) -> None:
    pixels = dataset.pixel_array.copy()
    pixels[pixels == 2] = 7
    dataset.PixelData = pixels.tobytes()


def _type(dataset: Any) -> None:
    dataset.SegmentationType = "BINARY"


def _double(dataset: Any) -> None:
    dataset.SegmentSequence[-1].SegmentNumber = dataset.SegmentSequence[-2].SegmentNumber


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_value, "pixels have the value(s) 7, which no segment describes"),
        (_value, "segment 2 has no pixel"),
        (_type, "SegmentationType is BINARY, which an object of Label Map Segmentation Storage cannot have"),
        (_double, "they must be different and ascend"),
    ],
)
def test_errors_of_a_label_map_are_named(
    series: Series, apart: Any, write_seg: WriteSeg, change: Callable[[Any], None], words: str
) -> None:
    verdict = Segmentation(write_seg(series, apart, kind=LABEL_MAP, change=change)).is_valid
    assert not verdict
    assert words in "\n".join([verdict.summary, *verdict.details])


# --- sources that are not evenly spaced -----------------------------------------------------------------------------

GAP = [0.0, 3.0, 6.0, 12.0, 15.0, 18.0]


@pytest.fixture
def gap(tmp_path: Path) -> Series:
    """A series in which one slice is missing."""
    return read_input(write_series(tmp_path / "gap", uid="1.2.3.5", places=GAP))[0]


def test_a_series_with_a_missing_slice_says_so_and_keeps_its_true_positions(gap: Series) -> None:
    assert [problem.kind for problem in gap.problems] == [ProblemKind.MISSING]
    assert gap.geometry is None
    assert gap.planes is not None
    assert np.diff(gap.planes.distances) == pytest.approx([3, 3, 6, 3, 3], abs=1e-3)
    with pytest.raises(ValueError, match="not a regular volume: a slice is missing between"):
        _ = gap.spacing


def test_masks_of_an_uneven_source_lie_on_its_true_slices(gap: Series, masks: Any, write_seg: WriteSeg) -> None:
    seg = Segmentation(write_seg(gap, masks), sources=[gap])
    for label, mask in masks.items():
        assert np.array_equal(seg.mask(label), mask)
        assert seg.dice(label, mask) == 1.0
    assert seg.planes.distances == pytest.approx(gap.planes.distances)  # type: ignore[union-attr]
    with pytest.raises(CheckError, match="not one regular grid"):
        _ = seg.geometry


def test_a_volume_counts_each_slice_for_the_space_around_it(gap: Series, masks: Any, write_seg: WriteSeg) -> None:
    seg = Segmentation(write_seg(gap, masks), sources=[gap])
    voxels = masks["Liver"].sum(axis=(1, 2))  # in the slices 1, 2 and 3
    assert seg.volume_ml("Liver") == pytest.approx((voxels @ [3, 3, 4.5, 4.5, 3, 3]) * 1.5 * 2.0 / 1000, rel=1e-4)


def test_a_frame_where_the_source_has_no_slice_is_refused(
    gap: Series, series: Series, masks: Any, write_seg: WriteSeg
) -> None:
    def change(dataset: Any) -> None:
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            plane = frame.PlanePositionSequence[0]
            along = [float(value) for value in plane.ImagePositionPatient]
            if abs(along[2] - 5.0 - 6.0) < 0.1:
                plane.ImagePositionPatient = [along[0], along[1], along[2] + 3.0]

    seg = Segmentation(write_seg(gap, {"Liver": masks["Liver"]}, change=change), sources=[gap])
    with pytest.raises(CheckError, match="between those of its source"):
        seg.mask("Liver")
    verdict = seg.lies_on(gap)
    assert not verdict
    assert "between those of its source" in repr(verdict)


def test_a_segmentation_of_every_slice_lies_on_an_uneven_source(gap: Series, masks: Any, write_seg: WriteSeg) -> None:
    full = {"Liver": masks["Liver"].copy()}
    full["Liver"][:, 0, 0] = True
    assert Segmentation(write_seg(gap, full)).lies_on(gap)
    assert "planes are not the 6 slices" in Segmentation(write_seg(gap, masks)).lies_on(gap).summary


def test_without_its_source_an_uneven_segmentation_keeps_its_own_positions(
    gap: Series, masks: Any, write_seg: WriteSeg, tmp_path: Path
) -> None:
    odd = read_input(write_series(tmp_path / "odd", uid="1.2.3.6", places=[0, 3, 6, 10, 13, 16]))[0]
    full = {"Liver": masks["Liver"].copy()}
    full["Liver"][:, 0, 0] = True
    seg = Segmentation(write_seg(odd, full))
    assert np.diff(seg.planes.distances) == pytest.approx([3, 3, 4, 3, 3], abs=1e-3)
    assert np.array_equal(seg.mask("Liver"), full["Liver"])
