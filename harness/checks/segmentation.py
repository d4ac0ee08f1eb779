"""A DICOM segmentation for assertions: whether it is valid and why not, its labels, its voxels on the source's grid."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from harness.checks.dicom import as_series, differences, placement, stack_geometry
from harness.checks.segmentation_rules import SEGMENTATION_STORAGE, problems_of
from harness.checks.verdict import Verdict
from harness.data.series import Geometry, Series
from harness.errors import CheckError

Mask = NDArray[np.bool_]


class Segmentation:
    """One DICOM SEG object.

    Args:
        path: the file.
        sources: the series that may have been segmented; masks are given on the grid of the one that the SEG
            references, or on the SEG's own when there is none.

    Raises:
        CheckError: the file is not a DICOM segmentation.
    """

    def __init__(self, path: Path | str, *, sources: Sequence[Series] = ()) -> None:
        self.path = Path(path)
        self._sources = tuple(sources)
        try:
            self.dataset = pydicom.dcmread(self.path)
        except (pydicom.errors.InvalidDicomError, OSError, EOFError) as error:
            raise CheckError(f"{self.path.name} cannot be read as DICOM: {error}", evidence=str(path)) from None
        sop_class = str(self.dataset.get("SOPClassUID", ""))
        if sop_class != SEGMENTATION_STORAGE:
            name = pydicom.uid.UID(sop_class).name if sop_class else "without SOP class"
            raise CheckError(f"{self.path.name} is not a segmentation but {name}", evidence=str(path))

    def __repr__(self) -> str:
        return f"<Segmentation {self.path.name} with {', '.join(self.labels) or 'no label'}>"

    @property
    def is_valid(self) -> Verdict:
        """Whether the object is a well-formed DICOM SEG; a no lists everything that is wrong."""
        return Verdict.of_problems(f"valid segmentation {self.path.name}", problems_of(self.dataset), good="no problem")

    @property
    def labels(self) -> list[str]:
        """Segment Label of each segment, in the order of the segment numbers."""
        segments = sorted(self.dataset.get("SegmentSequence", []), key=lambda item: int(item.SegmentNumber))
        return [str(item.get("SegmentLabel", "")) for item in segments]

    def references(self, series: Series | Path | str) -> Verdict:
        """Return whether the SEG was made from this series: series UID, images, frame of reference, study."""
        series = as_series(series)
        problems = []
        uids, images = _read_references(self.dataset)
        if not uids:
            problems.append("the segmentation references no series at all")
        elif series.series_instance_uid not in uids:
            problems.append(f"it references series {', '.join(sorted(uids))}, not {series.series_instance_uid}")
        elif not images:
            problems.append("it references no image of the series")
        else:
            foreign = images - {instance.sop_instance_uid for instance in series.instances}
            if foreign:
                problems.append(
                    f"{len(foreign)} of {len(images)} referenced images are not of the series, e.g. {min(foreign)}"
                )
        for title, name, expected in (
            ("frame of reference", "FrameOfReferenceUID", series.frame_of_reference_uid),
            ("study", "StudyInstanceUID", series.study_instance_uid),
        ):
            found = str(self.dataset.get(name, "")) or "absent"
            if expected and found != expected:
                problems.append(f"its {title} is {found}, the series has {expected}")
        return Verdict.of_problems(f"made from {series.name}", problems, good=f"{len(images)} images referenced")

    def lies_on(self, series: Series | Path | str) -> Verdict:
        """Return whether the SEG's own grid is the series' grid: spacing, origin, orientation and shape.

        A SEG that leaves empty slices out has another shape; its masks are on the series' grid nevertheless.
        """
        series = as_series(series)
        if series.geometry is None:
            return Verdict(False, f"lies on {series.name}", f"series {series.name} is not a regular volume")
        return Verdict.of_problems(f"lies on {series.name}", differences(self.own_geometry, series.geometry))

    @functools.cached_property
    def own_geometry(self) -> Geometry:
        """The grid of the frames that are stored in the SEG."""
        shared, frames = _groups(self.dataset)
        measures = _item(frames[0], shared, "PixelMeasuresSequence")
        orientation = _item(frames[0], shared, "PlaneOrientationSequence").ImageOrientationPatient
        spacing = [float(value) for value in measures.PixelSpacing]
        thickness = float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1.0)
        return stack_geometry(
            [_item(frame, shared, "PlanePositionSequence").ImagePositionPatient for frame in frames],
            orientation,
            (spacing[0], spacing[1]),
            (int(self.dataset.Rows), int(self.dataset.Columns)),
            thickness=thickness,
        )

    @functools.cached_property
    def geometry(self) -> Geometry:
        """The grid on which masks are given: that of the referenced source, otherwise :attr:`own_geometry`."""
        uids, _ = _read_references(self.dataset)
        for series in self._sources:
            if series.series_instance_uid in uids and series.geometry is not None:
                return series.geometry
        return self.own_geometry

    def mask(self, label: str) -> Mask:
        """Voxels of one label, ``(slice, row, column)`` on :attr:`geometry`; fractional values count from one half.

        Raises:
            CheckError: there is no such label, or the SEG does not lie on the voxels of its source.
        """
        number = self._number(label)
        shared, frames = _groups(self.dataset)
        target = self.geometry
        result: Mask = np.zeros(target.shape, dtype=np.bool_)
        pixels = self._pixels
        for index, frame in enumerate(frames):
            if _segment_number(frame, shared) != number:
                continue
            origin = _item(frame, shared, "PlanePositionSequence").ImagePositionPatient
            _paste(result, pixels[index], placement(origin, self.own_geometry, target))
        return result

    def voxels(self, label: str) -> int:
        """Number of voxels of the label."""
        return int(np.count_nonzero(self.mask(label)))

    def volume_ml(self, label: str) -> float:
        """Volume of the label in millilitres."""
        return self.voxels(label) * self.geometry.voxel_ml

    def dice(self, label: str, truth: NDArray[Any]) -> float:
        """Dice coefficient, 0 to 1, of the label and a mask in the source's ``(slice, row, column)`` order.

        Raises:
            CheckError: the label is missing, or the masks differ in shape, or both are empty.
        """
        mine = self.mask(label)
        other = np.asarray(truth).astype(np.bool_)
        if mine.shape != other.shape:
            raise CheckError(
                f"mask {label!r} has {mine.shape} voxels (slice, row, column), the truth {other.shape}",
                fix="compare with a mask on the grid of the series that was segmented",
            )
        total = int(mine.sum()) + int(other.sum())
        if total == 0:
            raise CheckError(f"mask {label!r} and the truth are both empty: a dice coefficient says nothing")
        return 2.0 * int(np.count_nonzero(mine & other)) / total

    @functools.cached_property
    def _pixels(self) -> Mask:
        """All frames as ``(frame, row, column)``."""
        try:
            pixels: NDArray[Any] = np.asarray(self.dataset.pixel_array)
        except Exception as error:
            raise CheckError(
                f"the pixels of {self.path.name} cannot be read: {error}", evidence=str(self.path)
            ) from None
        if pixels.ndim == 2:
            pixels = pixels[np.newaxis]
        if str(self.dataset.get("SegmentationType", "BINARY")) == "FRACTIONAL":
            return np.asarray(pixels >= 0.5 * int(self.dataset.get("MaximumFractionalValue", 255)), dtype=np.bool_)
        return np.asarray(pixels != 0, dtype=np.bool_)

    def _number(self, label: str) -> int:
        segments = [
            (str(s.get("SegmentLabel", "")), int(s.SegmentNumber)) for s in self.dataset.get("SegmentSequence", [])
        ]
        exact = [number for text, number in segments if text == label]
        found = exact or [number for text, number in segments if text.casefold() == label.casefold()]
        if len(found) == 1:
            return found[0]
        if found:
            raise CheckError(f"{len(found)} segments of {self.path.name} are labelled {label!r}")
        raise CheckError(
            f"{self.path.name} has no segment {label!r}; it has {', '.join(map(repr, self.labels)) or 'none'}",
            evidence=str(self.path),
        )


def _paste(target: Mask, plane: Mask, at: tuple[int, int, int]) -> None:
    """Set a plane's voxels in a volume; voxels beyond the volume must be empty.

    Raises:
        CheckError: the plane has voxels outside of the volume.
    """
    row, column = np.nonzero(plane)
    index = np.stack([np.full_like(row, at[0]), row + at[1], column + at[2]])
    inside = np.all((index >= 0) & (index < np.asarray(target.shape)[:, np.newaxis]), axis=0)
    if not inside.all():
        raise CheckError(f"{int((~inside).sum())} voxels of the segmentation lie outside of the image it was made from")
    target[tuple(index)] = True


def _groups(dataset: pydicom.Dataset) -> tuple[Any, list[Any]]:
    """Shared functional groups (an empty dataset when absent) and those of each frame."""
    frames = list(dataset.get("PerFrameFunctionalGroupsSequence", []))
    if not frames:
        raise CheckError("the segmentation has no frame")
    shared = dataset.get("SharedFunctionalGroupsSequence", [])
    return (shared[0] if shared else pydicom.Dataset()), frames


def _item(frame: Any, shared: Any, name: str) -> Any:
    for group in (frame, shared):
        sequence = group.get(name)
        if sequence:
            return sequence[0]
    raise CheckError(f"the segmentation has a frame without {name}")


def _segment_number(frame: Any, shared: Any) -> int:
    return int(_item(frame, shared, "SegmentIdentificationSequence").ReferencedSegmentNumber)


def _read_references(dataset: pydicom.Dataset) -> tuple[set[str], set[str]]:
    """Series UIDs and SOP instance UIDs that the SEG says it was made from."""
    series, instances = set(), set()
    for item in dataset.get("ReferencedSeriesSequence", []):
        series.add(str(item.get("SeriesInstanceUID", "")))
        instances |= {str(ref.ReferencedSOPInstanceUID) for ref in item.get("ReferencedInstanceSequence", [])}
    for frame in dataset.get("PerFrameFunctionalGroupsSequence", []):
        for derivation in frame.get("DerivationImageSequence", []):
            for source in derivation.get("SourceImageSequence", []):
                instances.add(str(source.ReferencedSOPInstanceUID))
    return series, instances
