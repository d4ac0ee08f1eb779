"""A DICOM segmentation for assertions: whether it is valid and why not, its labels, its voxels on the source's grid."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from harness.checks import explained, looks
from harness.checks.dicom import as_series, differences, placement, stack_geometry, stack_planes
from harness.checks.overlap import Dice
from harness.checks.segmentation_rules import is_label_map, problems_of
from harness.checks.verdict import Verdict
from harness.data.series import Geometry, Series
from harness.errors import CheckError
from harness.geometry.grid import Grid
from harness.wire.dicom import SEGMENTATION_CLASSES

Mask = NDArray[np.bool_]


class Segmentation:
    """One DICOM SEG object, a label map (PS3.3 A.51, Label Map Segmentation Storage) included.

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
        if sop_class not in SEGMENTATION_CLASSES:
            name = pydicom.uid.UID(sop_class).name if sop_class else "without SOP class"
            raise CheckError(f"{self.path.name} is not a segmentation but {name}", evidence=str(path))

    def __repr__(self) -> str:
        return f"<Segmentation {self.path.name} with {', '.join(self._labels) or 'no label'}>"

    @property
    def is_valid(self) -> Verdict:
        """Whether the object is a well-formed DICOM SEG; a no lists everything that is wrong."""
        subject = f"valid segmentation {self.path.name}"
        return self._noted("is_valid", Verdict.of_problems(subject, problems_of(self.dataset), good="no problem"))

    @property
    def labels(self) -> list[str]:
        """Segment Label of each segment, in the order of the segment numbers; without a described background."""
        labels = self._labels
        looks.note(looks.Look(self.path, "labels", ", ".join(labels) or "none"))
        return labels

    @property
    def _labels(self) -> list[str]:
        return [label for label, _ in sorted(self._segments, key=lambda segment: segment[1])]

    def _noted(self, question: str, verdict: Verdict) -> Verdict:
        looks.note(looks.Look(self.path, question, ("yes: " if verdict else "NO: ") + verdict.summary))
        return verdict

    def references(self, series: Series | Path | str) -> Verdict:
        """Return whether the SEG was made from this series: series UID, images, frame of reference, study."""
        series = as_series(series)
        problems = []
        uids, images = read_references(self.dataset)
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
        verdict = Verdict.of_problems(f"made from {series.name}", problems, good=f"{len(images)} images referenced")
        return self._noted("references", verdict)

    def lies_on(self, series: Series | Path | str) -> Verdict:
        """Return whether the SEG's own grid is the series' grid: spacing, origin, orientation and shape.

        A SEG that leaves empty slices out has another shape; its masks are on the series' grid nevertheless.
        """
        return self._noted("lies_on", self._lies_on(as_series(series)))

    def _lies_on(self, series: Series) -> Verdict:
        if series.geometry is not None:
            return Verdict.of_problems(f"lies on {series.name}", differences(self.own_geometry, series.geometry))
        if series.planes is None:
            why = series.problems[0].text if series.problems else "it has no geometry"
            return Verdict(False, f"lies on {series.name}", f"series {series.name} is not a volume: {why}")
        return Verdict.of_problems(f"lies on {series.name}", self._beside(series.planes))

    def _beside(self, planes: Grid) -> list[str]:
        """What keeps the frames from being the source's slices, which are not evenly spaced."""
        found = []
        if self.own_planes.shape[1:] != planes.shape[1:]:
            found.append(f"{self.own_planes.shape[1:]} voxels (rows, columns) instead of {planes.shape[1:]}")
        taken = set()
        for origin in self._own[1]:
            try:
                taken.add(placement(origin, self.own_planes, planes))
            except CheckError as error:
                return [*found, error.cause]
        if taken != {(index, 0, 0) for index in range(planes.shape[0])}:
            found.append(f"its {len(taken)} planes are not the {planes.shape[0]} slices of the series")
        return found

    @property
    def beside_source(self) -> str:
        """Why frames are not where slices of the referenced source are; empty where they are, or it is not known."""
        uids, _ = read_references(self.dataset)
        known = (item.planes for item in self._sources if item.series_instance_uid in uids)
        planes = next((found for found in known if found is not None), None)
        if planes is None:
            return ""
        try:
            places = [placement(origin, self.own_planes, planes)[0] for origin in self._own[1]]
        except CheckError as error:
            return error.cause
        outside = [place for place in places if not 0 <= place < planes.shape[0]]
        if len(outside) == len(places):
            return "no frame is where a slice of its source is"
        return f"{len(outside)} of {len(places)} frames lie beyond the slices of its source" if outside else ""

    @property
    def is_empty(self) -> bool:
        """Whether no voxel belongs to a segment; compressed pixels are not looked at."""
        pixels = self.dataset.PixelData
        return bool(pixels.count(0) == len(pixels))

    @functools.cached_property
    def own_geometry(self) -> Geometry:
        """The grid of the frames that are stored in the SEG; those that it leaves out count."""
        return self._own[0]

    @functools.cached_property
    def own_planes(self) -> Grid:
        """The true position of the planes of :attr:`own_geometry`, or of the frames where these are unevenly spaced."""
        geometry, origins = self._own
        return stack_planes(origins, geometry)

    @functools.cached_property
    def _own(self) -> tuple[Geometry, list[Any]]:
        """The regular grid of the frames, and the position of each."""
        shared, frames = frame_groups(self.dataset)
        measures = group_item(frames[0], shared, "PixelMeasuresSequence")
        orientation = group_item(frames[0], shared, "PlaneOrientationSequence").ImageOrientationPatient
        spacing = [float(value) for value in measures.PixelSpacing]
        thickness = float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1.0)
        origins = [group_item(frame, shared, "PlanePositionSequence").ImagePositionPatient for frame in frames]
        geometry = stack_geometry(
            origins,
            orientation,
            (spacing[0], spacing[1]),
            (int(self.dataset.Rows), int(self.dataset.Columns)),
            thickness=thickness,
        )
        return geometry, origins

    @functools.cached_property
    def planes(self) -> Grid:
        """The true position of each slice of the masks: of the referenced source, else :attr:`own_planes`."""
        uids, _ = read_references(self.dataset)
        for series in self._sources:
            if series.series_instance_uid in uids and series.planes is not None:
                return series.planes
        return self.own_planes

    @functools.cached_property
    def geometry(self) -> Geometry:
        """The regular grid on which masks are given: that of the referenced source, else :attr:`own_geometry`.

        Raises:
            CheckError: the slices are not evenly spaced; :attr:`planes` says where each of them is.
        """
        if not self.planes.is_even or self.planes.is_sheared:
            raise CheckError(
                f"the slices that {self.path.name} was made from are not one regular grid",
                fix="use planes: it has the true position of every slice",
            )
        return Geometry.of(self.planes)

    def mask(self, label: str) -> Mask:
        """Voxels of one label, ``(slice, row, column)`` on :attr:`planes`; fractional values count from one half.

        Raises:
            CheckError: there is no such label, or the SEG does not lie on the voxels of its source.
        """
        number = self._number(label)
        shared, frames = frame_groups(self.dataset)
        target = self.planes
        result: Mask = np.zeros(target.shape, dtype=np.bool_)
        pixels = self._pixels
        for index, frame in enumerate(frames):
            if not self.is_label_map and segment_number(frame, shared) != number:
                continue
            plane = pixels[index] == number if self.is_label_map else pixels[index]
            if plane.any():
                origin = group_item(frame, shared, "PlanePositionSequence").ImagePositionPatient
                _paste(result, plane, placement(origin, self.own_planes, target))
        return result

    @property
    def is_label_map(self) -> bool:
        """Whether the values of the pixels are the numbers of the segments."""
        return is_label_map(self.dataset)

    def voxels(self, label: str) -> int:
        """Number of voxels of the label."""
        count = int(np.count_nonzero(self.mask(label)))
        looks.note(looks.Look(self.path, "voxels", str(count), label))
        return count

    def volume_ml(self, label: str) -> float:
        """Volume of the label in millilitres; a slice stands for the space half way to its neighbours."""
        area = self.planes.pixel_spacing[0] * self.planes.pixel_spacing[1]
        counts = np.count_nonzero(self.mask(label), axis=(1, 2))
        volume = float(np.dot(counts, self.planes.widths)) * area / 1000.0
        looks.note(looks.Look(self.path, "volume_ml", f"{volume:.2f} ml", label))
        return volume

    def dice(self, label: str, truth: NDArray[Any]) -> Dice:
        """Dice coefficient, 0 to 1, of the label and a mask in the source's ``(slice, row, column)`` order.

        It is a float; an assertion about it that fails says where the masks differ.

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
        if not mine.any() and not other.any():
            raise CheckError(f"mask {label!r} and the truth are both empty: a dice coefficient says nothing")
        found = Dice.of(label, mine, other, self.planes)
        explained.note(found, sys._getframe(1))
        looks.note(looks.Look(self.path, "dice", f"{found:.4f}", label, other))
        return found

    @functools.cached_property
    def _pixels(self) -> NDArray[Any]:
        """All frames as ``(frame, row, column)``: whether it is set, or the number of the segment in a label map."""
        try:
            pixels: NDArray[Any] = np.asarray(self.dataset.pixel_array)
        except Exception as error:
            raise CheckError(
                f"the pixels of {self.path.name} cannot be read: {error}", evidence=str(self.path)
            ) from None
        if pixels.ndim == 2:
            pixels = pixels[np.newaxis]
        if self.is_label_map:
            return pixels
        if str(self.dataset.get("SegmentationType", "BINARY")) == "FRACTIONAL":
            return np.asarray(pixels >= 0.5 * int(self.dataset.get("MaximumFractionalValue", 255)), dtype=np.bool_)
        return np.asarray(pixels != 0, dtype=np.bool_)

    @property
    def _segments(self) -> list[tuple[str, int]]:
        """Label and number of the segments; the number 0 of a label map is the background."""
        items = self.dataset.get("SegmentSequence", [])
        found = [(str(item.get("SegmentLabel", "")), int(item.SegmentNumber)) for item in items]
        return [segment for segment in found if segment[1] != 0 or not self.is_label_map]

    def _number(self, label: str) -> int:
        segments = self._segments
        exact = [number for text, number in segments if text == label]
        found = exact or [number for text, number in segments if text.casefold() == label.casefold()]
        if len(found) == 1:
            return found[0]
        if found:
            raise CheckError(f"{len(found)} segments of {self.path.name} are labelled {label!r}")
        raise CheckError(
            f"{self.path.name} has no segment {label!r}; it has {', '.join(map(repr, self._labels)) or 'none'}",
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


def frame_groups(dataset: pydicom.Dataset) -> tuple[Any, list[Any]]:
    """Return the shared functional groups (an empty dataset when absent) and those of each frame.

    Raises:
        CheckError: there is no frame.
    """
    frames = list(dataset.get("PerFrameFunctionalGroupsSequence", []))
    if not frames:
        raise CheckError("the segmentation has no frame")
    shared = dataset.get("SharedFunctionalGroupsSequence", [])
    return (shared[0] if shared else pydicom.Dataset()), frames


def group_item(frame: Any, shared: Any, name: str) -> Any:
    """Return the first item of a functional group, of the frame or of all.

    Raises:
        CheckError: the frame has none.
    """
    for group in (frame, shared):
        sequence = group.get(name)
        if sequence:
            return sequence[0]
    raise CheckError(f"the segmentation has a frame without {name}")


def segment_number(frame: Any, shared: Any) -> int:
    """Return the number of the segment that a frame belongs to."""
    return int(group_item(frame, shared, "SegmentIdentificationSequence").ReferencedSegmentNumber)


def read_references(dataset: pydicom.Dataset) -> tuple[set[str], set[str]]:
    """Return the series UIDs and SOP instance UIDs that a SEG says it was made from."""
    series, instances = set(), set()
    for item in dataset.get("ReferencedSeriesSequence", []):
        series.add(str(item.get("SeriesInstanceUID", "")))
        instances |= {str(ref.ReferencedSOPInstanceUID) for ref in item.get("ReferencedInstanceSequence", [])}
    for frame in dataset.get("PerFrameFunctionalGroupsSequence", []):
        for derivation in frame.get("DerivationImageSequence", []):
            for source in derivation.get("SourceImageSequence", []):
                instances.add(str(source.ReferencedSOPInstanceUID))
    return series, instances
