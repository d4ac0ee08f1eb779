"""A label is found by its text and by its codes; segments and frames without voxels are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from made_series import SHAPE
from pydicom.sr.codedict import codes

from harness.checks import Segmentation, questions
from harness.checks.segmentation import EmptyFrame
from harness.data import Series
from harness.errors import CheckError

WriteSeg = Callable[..., Path]


def _code(value: str, scheme: str, meaning: str) -> pydicom.Sequence:
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return pydicom.Sequence([item])


def _coded(dataset: Any) -> None:
    """A liver, and a mass in the liver."""
    liver, mass = dataset.SegmentSequence
    liver.SegmentedPropertyTypeCodeSequence = _code("10200004", "SCT", "Liver")
    mass.SegmentedPropertyTypeCodeSequence = _code("4147007", "SCT", "Mass")
    mass.AnatomicRegionSequence = _code("10200004", "SCT", "Liver")
    liver.SegmentLabel, mass.SegmentLabel = "Leber", "Raumforderung"


@pytest.fixture
def coded(series: Series, masks: Any, write_seg: WriteSeg) -> Segmentation:
    return Segmentation(write_seg(series, masks, change=_coded), sources=[series])


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("Leber", "Leber"),
        ("leber", "Leber"),
        ("Liver", "Leber"),
        (("SCT", "10200004"), "Leber"),
        (codes.SCT.Liver, "Leber"),
        (pydicom.sr.coding.Code("T-62000", "SRT", "Liver"), "Leber"),
        ("mass", "Raumforderung"),
        (("SCT", "4147007"), "Raumforderung"),
    ],
    ids=str,
)
def test_a_label_is_its_text_or_a_code(coded: Segmentation, masks: Any, label: Any, text: str) -> None:
    assert coded.find(label).label == text
    expected = masks["Liver" if text == "Leber" else "Tumour"]
    assert np.array_equal(coded.mask(label), expected)
    assert coded.voxels(label) == expected.sum()
    assert coded.dice(label, expected) == 1.0


def test_a_region_that_only_says_where_it_is_is_found_by_that(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    def change(dataset: Any) -> None:
        _coded(dataset)
        dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence = _code("1", "99X", "Something")

    assert Segmentation(write_seg(series, masks, change=change)).find(codes.SCT.Liver).label == "Raumforderung"


def test_a_code_that_no_segment_has_lists_labels_and_codes(coded: Segmentation) -> None:
    with pytest.raises(CheckError) as caught:
        coded.voxels(("SCT", "78961009"))
    assert caught.value.cause == "seg.dcm has no segment SCT 78961009; it has 'Leber', 'Raumforderung'"
    assert "'Raumforderung' (SCT 4147007 'Mass', SCT 10200004 'Liver')" in caught.value.last_seen


def test_a_code_of_several_segments_names_them(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    with pytest.raises(CheckError, match=r"2 segments of seg\.dcm are labelled SCT 10200004: 'Liver', 'Tumour'"):
        Segmentation(write_seg(series, masks)).mask(("SCT", "10200004"))


def test_the_report_gets_the_label_whatever_the_test_calls_it(coded: Segmentation, masks: Any) -> None:
    seen: list[questions.Question] = []
    with questions.observe(seen.append):
        coded.dice("liver", masks["Liver"])
        coded.dice(codes.SCT.Liver, masks["Liver"])
    assert [question.label for question in seen] == ["Leber", "Leber"]


def test_segments_have_their_codes(coded: Segmentation) -> None:
    first, second = coded.segments
    assert (first.number, first.label, first.algorithm) == (1, "Leber", "AUTOMATIC")
    assert first.codes == (codes.SCT.Liver,)
    assert first.category == codes.SCT.Organ
    assert [code.meaning for code in second.codes] == ["Mass", "Liver"]


def test_the_volume_of_a_label_is_that_of_its_voxels(coded: Segmentation) -> None:
    assert coded.volume_ml(codes.SCT.Liver) == pytest.approx(37 * 9 / 1000)
    assert coded.volume_ml("Leber").explanation == ["37 voxels in slices 2 to 4 of 6, all in mask[1:4, 2:9, 1:7]"]


@pytest.mark.parametrize("kind", list(hd.seg.SegmentationTypeValues))
def test_segments_and_frames_without_voxels_are_named(
    series: Series, masks: Any, write_seg: WriteSeg, kind: hd.seg.SegmentationTypeValues
) -> None:
    def change(dataset: Any) -> None:
        pixels = dataset.pixel_array
        if kind is hd.seg.SegmentationTypeValues.LABELMAP:
            pixels = np.where(pixels == 2, 0, pixels)
        else:
            pixels = pixels.copy()
            for index, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
                if frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 2:
                    pixels[index] = 0
        packed = kind is hd.seg.SegmentationTypeValues.BINARY
        dataset.PixelData = pydicom.pixels.pack_bits(pixels) if packed else pixels.astype(np.uint8).tobytes()

    apart = {"Liver": masks["Liver"] & ~masks["Tumour"], "Tumour": np.zeros(SHAPE, bool)}
    apart["Tumour"][5, 0, 0] = True
    whole = Segmentation(write_seg(series, apart, kind=kind), sources=[series])
    assert whole.empty_segments == []
    assert whole.empty_frames == []
    emptied = Segmentation(write_seg(series, apart, kind=kind, change=change), sources=[series])
    assert emptied.empty_segments == ["Tumour"]
    (number,) = [index for index, plane in enumerate(emptied.dataset.pixel_array, 1) if not plane.any()]
    label = None if kind is hd.seg.SegmentationTypeValues.LABELMAP else "Tumour"
    assert emptied.empty_frames == [EmptyFrame(number, label)]
    assert emptied.volume_ml("Tumour").explanation == ["no voxel has this label"]
