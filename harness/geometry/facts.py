"""What one DICOM file says of its image, as typed facts; nothing is judged here."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.geometry.grid import Vector, cross, dot, vector

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

TIME_KEYWORDS: Final = (
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "TriggerTime",
    "FrameReferenceTime",
    "EchoTime",
    "EchoNumbers",
    "DiffusionBValue",
    "AcquisitionNumber",
    "AcquisitionTime",
    "ContentTime",
    "ImageType",
)
"""Attributes that distinguish images at one position, the most useful first."""

NO_VOLUMES: Final = frozenset({"SEG", "SM", "RTDOSE", "OPT", "OCT", "US", "IVUS", "ECG"})
"""Modalities whose frames are not slices of one volume: their planes are ignored."""

KEYWORDS: Final = (
    "SOPClassUID", "SOPInstanceUID", "Modality", "InstanceNumber", "NumberOfFrames", "Rows", "Columns",
    "SamplesPerPixel", "BitsAllocated", "BitsStored", "PhotometricInterpretation", "PixelPaddingValue", "PixelSpacing",
    "SliceThickness", "SpacingBetweenSlices", "ImageOrientationPatient", "ImagePositionPatient",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", *TIME_KEYWORDS,
)  # fmt: skip
"""Attributes of a file that :func:`facts_of` needs."""


@dataclasses.dataclass(frozen=True)
class Plane:
    """The position of one frame; ``None`` if the file has none.

    Attributes:
        position: Image Position (Patient), x, y, z in mm.
        orientation: Image Orientation (Patient), six numbers.
        pixel_spacing: millimetres between rows, between columns.
        thickness: distance to the next slice, or its thickness, in mm.
    """

    position: Vector | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, float] | None
    thickness: float | None

    @property
    def along_normal(self) -> float | None:
        """Signed distance in mm of the plane along its own normal."""
        if self.position is None or self.orientation is None:
            return None
        return dot(self.position, cross(vector(self.orientation[:3]), vector(self.orientation[3:])))


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """One file of a series.

    Attributes:
        file: its name for messages.
        sop_class, sop_instance_uid, modality: as in the file.
        number: InstanceNumber, 0 where absent.
        rows, columns, frames: size; ``planes`` has one entry for each frame.
        samples, photometric: values of a pixel and what they mean, e.g. ``MONOCHROME2``.
        bits_allocated, bits_stored: bits of a value.
        padding: value that means "no image here", ``None`` if the file names none.
        times: what tells it from other images at its position, by keyword.
    """

    file: str
    sop_class: str
    sop_instance_uid: str
    modality: str
    number: int
    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    padding: int | None
    planes: tuple[Plane, ...]
    times: tuple[tuple[str, str], ...]


def facts_of(dataset: Dataset, file: str) -> ImageFacts:
    """Return the facts of an image; attributes that are absent or no numbers count as not said.

    Args:
        dataset: has what of :data:`KEYWORDS` the file has.
        file: its name for messages.
    """
    frames = _whole(dataset, "NumberOfFrames") or 1
    return ImageFacts(
        file=file,
        sop_class=str(dataset.get("SOPClassUID") or ""),
        sop_instance_uid=str(dataset.get("SOPInstanceUID") or ""),
        modality=str(dataset.get("Modality") or "OT"),
        number=_whole(dataset, "InstanceNumber") or 0,
        rows=_whole(dataset, "Rows") or 0,
        columns=_whole(dataset, "Columns") or 0,
        frames=frames,
        samples=_whole(dataset, "SamplesPerPixel") or 1,
        photometric=str(dataset.get("PhotometricInterpretation") or ""),
        bits_allocated=_whole(dataset, "BitsAllocated") or 0,
        bits_stored=_whole(dataset, "BitsStored") or _whole(dataset, "BitsAllocated") or 0,
        padding=_whole(dataset, "PixelPaddingValue"),
        planes=tuple(_planes(dataset, frames)),
        times=tuple((keyword, text) for keyword in TIME_KEYWORDS if (text := str(dataset.get(keyword) or ""))),
    )


def _planes(dataset: Dataset, frames: int) -> list[Plane]:
    if str(dataset.get("Modality")) in NO_VOLUMES:
        return []
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if not groups:
        return [_plane(dataset, dataset, dataset)] * frames
    shared: Any = next(iter(dataset.get("SharedFunctionalGroupsSequence") or []), {})

    def macro(frame: Any, name: str) -> Any:
        return next(iter(frame.get(name) or shared.get(name) or []), {})

    return [
        _plane(
            macro(frame, "PlanePositionSequence"),
            macro(frame, "PlaneOrientationSequence"),
            macro(frame, "PixelMeasuresSequence"),
        )
        for frame in groups
    ]


def _plane(position: Any, orientation: Any, measures: Any) -> Plane:
    spacing = _numbers(measures.get("PixelSpacing"), 2)
    where = _numbers(position.get("ImagePositionPatient"), 3)
    thickness = _numbers([measures.get("SpacingBetweenSlices") or measures.get("SliceThickness")], 1)
    return Plane(
        position=None if where is None else vector(where),
        orientation=_numbers(orientation.get("ImageOrientationPatient"), 6),
        pixel_spacing=None if spacing is None else (spacing[0], spacing[1]),
        thickness=thickness[0] if thickness and thickness[0] > 0 else None,
    )


def _numbers(values: Any, count: int) -> tuple[float, ...] | None:
    if not isinstance(values, Sequence) and not hasattr(values, "__iter__"):
        return None
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return found if len(found) == count else None


def _whole(dataset: Dataset, keyword: str) -> int | None:
    try:
        return int(dataset.get(keyword))
    except (TypeError, ValueError):
        return None
