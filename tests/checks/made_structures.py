"""RT structure sets of a series, corner by corner in voxels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydicom

from harness.data.series import Series

Corners = tuple[float, Sequence[tuple[float, float]]]
"""A slice, and rows and columns on it."""


def runs_of(mask: Any) -> list[Corners]:
    """Return a rectangle around each run of voxels in a row."""
    found: list[Corners] = []
    for index, plane in enumerate(mask):
        for row, line in enumerate(plane):
            start = None
            for column, inside in enumerate([*line, False]):
                if inside and start is None:
                    start = column
                elif not inside and start is not None:
                    found.append((index, rectangle(row - 0.5, start - 0.5, row + 0.5, column - 0.5)))
                    start = None
    return found


def rectangle(top: float, left: float, bottom: float, right: float) -> list[tuple[float, float]]:
    """Return the corners of a rectangle."""
    return [(top, left), (top, right), (bottom, right), (bottom, left)]


def write_structures(
    path: Path,
    series: Series,
    structures: Mapping[str, Iterable[Corners]],
    *,
    kind: str = "CLOSED_PLANAR",
    digits: int = 4,
    change: Callable[[Any], None] = lambda dataset: None,
) -> Path:
    """An RT structure set that was drawn on a series; ``change`` may damage the dataset before it is saved."""
    geometry = series.geometry
    assert geometry is not None
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.6.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = "1.2.3", "1.2.3.6", "RTSTRUCT"
    dataset.StructureSetLabel = "Plan"
    dataset.ReferencedFrameOfReferenceSequence = [_reference(series)]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    dataset.RTROIObservationsSequence = []
    for number, (name, contours) in enumerate(structures.items(), 1):
        region, drawn, observed = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        region.ROINumber, region.ROIName, region.ROIGenerationAlgorithm = number, name, "AUTOMATIC"
        region.ReferencedFrameOfReferenceUID = series.frame_of_reference_uid
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        observed.ObservationNumber, observed.ReferencedROINumber, observed.RTROIInterpretedType = number, number, ""
        for index, corners in contours:
            contour = pydicom.Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(corners)
            points = [geometry.position(index, row, column) for row, column in corners]
            contour.ContourData = [f"{value:.{digits}f}" for point in points for value in point]
            image = pydicom.Dataset()
            instance = series.instances[min(round(index), len(series.instances) - 1)]
            image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = (
                instance.sop_class_uid,
                instance.sop_instance_uid,
            )
            contour.ContourImageSequence = [image]
            drawn.ContourSequence.append(contour)
        dataset.StructureSetROISequence.append(region)
        dataset.ROIContourSequence.append(drawn)
        dataset.RTROIObservationsSequence.append(observed)
    dataset = copy.deepcopy(dataset)
    change(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _reference(series: Series) -> pydicom.Dataset:
    frame, study, item = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    item.SeriesInstanceUID, item.ContourImageSequence = series.series_instance_uid, []
    study.RTReferencedSeriesSequence = [item]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = series.frame_of_reference_uid, [study]
    return frame
