"""Check that a DICOM SEG is well formed: what viewers and archives rely on (PS3.3 A.51, C.8.20)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pydicom

from harness.wire.dicom import LABEL_MAP_STORAGE

_REQUIRED = (
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "Modality",
    "SegmentationType",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "PixelData",
    "SegmentSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ContentLabel",
    "SOPClassUID",
)
_UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_CODES = ("SegmentedPropertyCategoryCodeSequence", "SegmentedPropertyTypeCodeSequence")
_ALGORITHMS = frozenset({"AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"})


def find_problems(dataset: pydicom.Dataset) -> list[str]:
    """Return everything that is wrong with a SEG, most basic first; empty when it is well formed."""
    try:
        return find_basic_problems(dataset) or list(_as_highdicom_reads_it(dataset))
    except Exception as error:  # attributes of a damaged object may be of any type
        return [f"it is damaged: {type(error).__name__}: {error}"]


def find_basic_problems(dataset: pydicom.Dataset) -> list[str]:
    """Return the problems of a SEG without the judgement of the reference reader, which takes a second to load."""
    missing = [name for name in _REQUIRED if name not in dataset or dataset[name].value in (None, "")]
    if missing:
        return [f"{', '.join(missing)} missing or empty"]
    problems = [*_identity(dataset), *_segments(dataset), *_frames(dataset), *_references(dataset)]
    problems.extend(_pixels(dataset))
    return problems


def _identity(dataset: pydicom.Dataset) -> Iterator[str]:
    for name in _UIDS:
        if not pydicom.uid.UID(str(dataset[name].value)).is_valid:
            yield f"{name} {dataset[name].value!r} is not a valid UID"
    meta = getattr(dataset, "file_meta", pydicom.Dataset())
    if str(meta.get("MediaStorageSOPInstanceUID", dataset.SOPInstanceUID)) != str(dataset.SOPInstanceUID):
        yield "the file's meta header names another SOP instance than the object itself"
    if dataset.Modality != "SEG":
        yield f"Modality is {dataset.Modality}, a segmentation must have SEG"
    kind, label_map = dataset.SegmentationType, dataset.SOPClassUID == LABEL_MAP_STORAGE
    if label_map != (kind == "LABELMAP"):
        name = "Label Map Segmentation Storage" if label_map else "Segmentation Storage"
        yield f"SegmentationType is {kind}, which an object of {name} cannot have"


def _segments(dataset: pydicom.Dataset) -> Iterator[str]:
    numbers = [int(item.get("SegmentNumber", -1)) for item in dataset.SegmentSequence]
    if is_label_map(dataset):
        # any values, in this order; 0 may describe the background (PS3.3 C.8.20.2)
        if numbers != sorted(set(numbers)) or numbers[0] < 0:
            yield f"segments are numbered {numbers}, they must be different and ascend"
    elif numbers != list(range(1, len(numbers) + 1)):
        yield f"segments are numbered {numbers}, they must count from 1 in steps of 1"
    for item, number in zip(dataset.SegmentSequence, numbers, strict=True):
        if not str(item.get("SegmentLabel", "")).strip():
            yield f"segment {number} has no SegmentLabel"
        algorithm = item.get("SegmentAlgorithmType")
        if algorithm not in _ALGORITHMS:
            yield f"segment {number} has SegmentAlgorithmType {algorithm!r}, not {' or '.join(sorted(_ALGORITHMS))}"
        elif algorithm != "MANUAL" and not item.get("SegmentAlgorithmName"):
            yield f"segment {number} is {algorithm} but has no SegmentAlgorithmName"
        for name in _CODES:
            code = item.get(name)
            if not code or not all(_has_code(entry) for entry in code):
                yield f"segment {number} has no complete code in {name}"


def _has_code(entry: Any) -> bool:
    value = entry.get("CodeValue") or entry.get("LongCodeValue") or entry.get("URNCodeValue")
    return bool(value and entry.get("CodeMeaning") and (entry.get("CodingSchemeDesignator") or "URNCodeValue" in entry))


def _frames(dataset: pydicom.Dataset) -> Iterator[str]:
    groups = dataset.PerFrameFunctionalGroupsSequence
    if int(dataset.NumberOfFrames) != len(groups):
        yield f"NumberOfFrames is {dataset.NumberOfFrames}, but {len(groups)} frames are described"
    shared = dataset.SharedFunctionalGroupsSequence[0] if dataset.SharedFunctionalGroupsSequence else pydicom.Dataset()
    numbers = {int(item.get("SegmentNumber", -1)) for item in dataset.SegmentSequence}
    used = set()
    named = ["PixelMeasuresSequence", "PlaneOrientationSequence", "PlanePositionSequence"]
    if not is_label_map(dataset):
        named.append("SegmentIdentificationSequence")
    for name in named:
        without = [index for index, frame in enumerate(groups, 1) if not (frame.get(name) or shared.get(name))]
        if without:
            yield f"{name} missing in {len(without)} of {len(groups)} frames, first in frame {without[0]}"
    if is_label_map(dataset):
        yield from _label_values(dataset, numbers)
        return
    for index, frame in enumerate(groups, 1):
        identification = frame.get("SegmentIdentificationSequence") or shared.get("SegmentIdentificationSequence")
        if identification:
            number = int(identification[0].get("ReferencedSegmentNumber", -1))
            used.add(number)
            if number not in numbers:
                yield f"frame {index} belongs to segment {number}, which does not exist"
    unused = sorted(numbers - used)
    if unused:
        yield f"segment {', '.join(map(str, unused))} has no frame"


def is_label_map(dataset: pydicom.Dataset) -> bool:
    """Return whether the values of the pixels are the numbers of the segments."""
    return str(dataset.get("SegmentationType", "")) == "LABELMAP"


def _label_values(dataset: pydicom.Dataset, numbers: set[int]) -> Iterator[str]:
    """Yield a problem for values without a segment, and for segments without voxels."""
    import numpy as np

    try:
        values = {int(value) for value in np.unique(dataset.pixel_array)}
    except Exception:  # whatever a damaged object raises: another rule reports what is wrong with its pixels
        return
    if unknown := sorted(values - numbers - {0}):
        yield f"pixels have the value(s) {', '.join(map(str, unknown[:10]))}, which no segment describes"
    if empty := sorted(numbers - values - {0}):
        yield f"segment {', '.join(map(str, empty))} has no pixel"


def _pixels(dataset: pydicom.Dataset) -> Iterator[str]:
    bits = int(dataset.BitsAllocated)
    expected_bits = {"BINARY": (1,), "FRACTIONAL": (8,), "LABELMAP": (8, 16)}.get(str(dataset.SegmentationType))
    if expected_bits is None:
        yield f"SegmentationType is {dataset.SegmentationType!r}"
        return
    if bits not in expected_bits:
        yield f"a {dataset.SegmentationType} segmentation has {bits} bits for a pixel instead of {expected_bits[0]}"
        return
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is not None and not syntax.is_transfer_syntax:
        yield f"the file's meta header names {str(syntax)!r} as its transfer syntax"
        return
    if syntax is not None and syntax.is_compressed and syntax != pydicom.uid.DeflatedExplicitVRLittleEndian:
        return
    pixels = int(dataset.Rows) * int(dataset.Columns) * int(dataset.NumberOfFrames)
    expected = (pixels * bits + 7) // 8
    expected += expected % 2
    if len(dataset.PixelData) != expected:
        yield (
            f"PixelData has {len(dataset.PixelData)} bytes, {dataset.NumberOfFrames} frames of "
            f"{dataset.Rows} x {dataset.Columns} pixels with {bits} bit need {expected}"
        )


def _references(dataset: pydicom.Dataset) -> Iterator[str]:
    references = dataset.get("ReferencedSeriesSequence")
    if not references:
        yield "ReferencedSeriesSequence missing or empty: nothing says which images were segmented"
        return
    for item in references:
        if not item.get("SeriesInstanceUID") or not item.get("ReferencedInstanceSequence"):
            yield "ReferencedSeriesSequence has an item without series UID or without images"


def _as_highdicom_reads_it(dataset: pydicom.Dataset) -> Iterator[str]:
    """Yield what the reference reader for SEG objects objects to; it is stricter than most viewers."""
    import highdicom

    try:
        highdicom.seg.Segmentation.from_dataset(dataset, copy=True)
    except Exception as error:
        yield f"highdicom does not read it: {type(error).__name__}: {error}"
