"""A DICOM segmentation for assertions: whether it is valid and why not, its labels, its voxels on the source's grid."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.checks.codes import Region, read_codes
from harness.checks.dicom import Placement, as_series, list_differences
from harness.checks.frames import (
    Stack,
    make_frame_decoder,
    read_frame_groups,
    read_group_item,
    read_references,
    read_stack,
)
from harness.checks.masks import Mask
from harness.checks.references import find_frame_reference_problems, refuse_other_frame
from harness.checks.regions import Regions, paste
from harness.checks.segmentation_rules import find_problems, is_label_map
from harness.checks.verdict import Verdict
from harness.data.series import Geometry, Series
from harness.errors import CheckError
from harness.geometry.grid import Grid
from harness.wire.dicom import SEGMENTATION_CLASSES

# decoded frames are kept up to this number of pixels
_KEPT_PIXELS = 1 << 28


@dataclasses.dataclass(frozen=True)
class EmptyFrame:
    """A frame without voxels.

    Args:
        number: of the frame, counted from 1.
        label: of the segment that it belongs to; ``None`` in a label map.
    """

    number: int
    label: str | None


class Segmentation(Regions):
    """One DICOM SEG object, a label map (PS3.3 A.51, Label Map Segmentation Storage) included.

    Fractional values count from one half.

    Args:
        path: the file.
        sources: the series that may have been segmented; masks are given on the grid of the one that the SEG
            references, or on the SEG's own if it is missing.

    Raises:
        CheckError: the file is not a DICOM segmentation.
    """

    sop_classes = SEGMENTATION_CLASSES
    kind = "segmentation"
    parts = "segment"

    @property
    def is_valid(self) -> Verdict:
        """Whether the object is a well-formed DICOM SEG; a no lists everything that is wrong."""
        subject = f"valid segmentation {self.path.name}"
        problems = [*self._damaged, *find_problems(self.dataset)]
        return self._record("is_valid", Verdict.of_problems(subject, problems, good="no problem"))

    @property
    def labels(self) -> list[str]:
        """Segment Label of each segment, in the order of the segment numbers; without a described background."""
        labels = [segment.label for segment in self._regions]
        self._note("labels", ", ".join(labels) or "none")
        return labels

    @property
    def segments(self) -> list[Region]:
        """Number, label, codes and kind of algorithm of each segment; without a described background."""
        return list(self._regions)

    @property
    def empty_segments(self) -> list[str]:
        """The labels of the segments without any voxel."""
        full = {number for frame in range(len(self._frames[1])) for number in self._numbers_in(frame)}
        found = [segment.label for segment in self._regions if segment.number not in full]
        self._note("empty_segments", ", ".join(found) or "none")
        return found

    @property
    def empty_frames(self) -> list[EmptyFrame]:
        """The frames without any voxel, which a SEG had better leave out."""
        labels = {segment.number: segment.label for segment in self._regions}
        shared, frames = self._frames
        found = [
            EmptyFrame(index + 1, None if self.is_label_map else labels.get(read_segment_number(frame, shared)))
            for index, frame in enumerate(frames)
            if not self._numbers_in(index)
        ]
        self._note("empty_frames", f"{len(found)} of {len(frames)}")
        return found

    def _numbers_in(self, index: int) -> set[int]:
        """Return the segments that have voxels in a frame."""
        plane = self._plane(index)
        if self.is_label_map:
            return {int(value) for value in np.unique(plane) if value}
        shared, frames = self._frames
        return {read_segment_number(frames[index], shared)} if plane.any() else set()

    def references(self, series: Series | Path | str) -> Verdict:
        """Return whether the SEG was made from this series: series UID, images, frame of reference, study."""
        series = as_series(series)
        problems = find_frame_reference_problems("segmentation", self.dataset, series)
        _, images = read_references(self.dataset)
        verdict = Verdict.of_problems(f"made from {series.name}", problems, good=f"{len(images)} images referenced")
        return self._record("references", verdict)

    def lies_on(self, series: Series | Path | str) -> Verdict:
        """Return whether the SEG's own grid is the series' grid: spacing, origin, orientation and shape.

        A SEG that leaves empty slices out has another shape; its masks are on the series' grid nevertheless.
        """
        return self._record("lies_on", self._lies_on(as_series(series)))

    def _lies_on(self, series: Series) -> Verdict:
        if series.geometry is not None:
            return Verdict.of_problems(f"lies on {series.name}", list_differences(self.own_geometry, series.geometry))
        if series.planes is None:
            why = series.problems[0].text if series.problems else "it has no geometry"
            return Verdict(False, f"lies on {series.name}", f"series {series.name} is not a volume: {why}")
        return Verdict.of_problems(f"lies on {series.name}", self._beside(series.planes))

    def _beside(self, planes: Grid) -> list[str]:
        """Return the differences between the frames and the source's slices, which are not evenly spaced."""
        found = []
        if self.own_planes.shape[1:] != planes.shape[1:]:
            found.append(f"{self.own_planes.shape[1:]} voxels (rows, columns) instead of {planes.shape[1:]}")
        taken = set()
        try:
            placement = Placement(self.own_planes, planes)
            for origin in self._own.origins:
                taken.add(placement.find(origin))
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
            placement = Placement(self.own_planes, planes)
            places = [placement.find(origin)[0] for origin in self._own.origins]
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

    @property
    def own_geometry(self) -> Geometry:
        """The grid of the frames that are stored in the SEG; those that it leaves out count.

        Raises:
            CheckError: the SEG does not say where its frames are, or says what cannot be.
        """
        return self._own.geometry

    @functools.cached_property
    def own_planes(self) -> Grid:
        """The true position of the planes of :attr:`own_geometry`, or of the frames where these are unevenly spaced."""
        return self._own.planes

    @functools.cached_property
    def _own(self) -> Stack:
        return read_stack(self.dataset, self.path.name)

    @property
    def frame_of_reference_uid(self) -> str:
        """UID of the frame of reference."""
        return str(self.dataset.get("FrameOfReferenceUID") or "")

    @functools.cached_property
    def planes(self) -> Grid:
        """The true position of each slice of the masks: of the referenced source, else :attr:`own_planes`.

        Raises:
            CheckError: the SEG is in another frame of reference than its source.
        """
        uids, _ = read_references(self.dataset)
        for series in self._sources:
            if series.series_instance_uid in uids and series.planes is not None:
                refuse_other_frame(self.path.name, self.frame_of_reference_uid, series, evidence=str(self.path))
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

    def _mask_on(self, region: Region, planes: Grid) -> Mask:
        shared, frames = self._frames
        result: Mask = np.zeros(planes.shape, dtype=np.bool_)
        placement = Placement(self.own_planes, planes)
        for index, frame in enumerate(frames):
            if not self.is_label_map and read_segment_number(frame, shared) != region.number:
                continue
            plane = self._plane(index) == region.number if self.is_label_map else self._plane(index)
            if plane.any():
                paste(result, plane, placement.find(self._own.origins[index]))
        return result

    @functools.cached_property
    def is_label_map(self) -> bool:
        """Whether the values of the pixels are the numbers of the segments."""
        return is_label_map(self.dataset)

    @functools.cached_property
    def _frames(self) -> tuple[Any, list[Any]]:
        return read_frame_groups(self.dataset)

    @functools.cached_property
    def _plane(self) -> Callable[[int], NDArray[Any]]:
        """What reads a frame: whether each pixel is set, or the number of the segment in a label map."""
        try:
            decode = make_frame_decoder(self.dataset)
        except CheckError as error:
            raise self._unreadable(error) from None
        fractional = str(self.dataset.get("SegmentationType", "BINARY")) == "FRACTIONAL"
        half = 0.5 * int(self.dataset.get("MaximumFractionalValue") or 255)
        pixels = int(self.dataset.Rows) * int(self.dataset.Columns)

        @functools.lru_cache(maxsize=max(1, _KEPT_PIXELS // pixels))
        def plane(index: int) -> NDArray[Any]:
            try:
                found = decode(index)
            except CheckError as error:
                raise self._unreadable(error) from None
            if self.is_label_map:
                return found
            return np.asarray(found >= half if fractional else found != 0, dtype=np.bool_)

        return plane

    def _unreadable(self, error: CheckError) -> CheckError:
        return CheckError(f"{self.path.name}: {error.cause}", evidence=str(self.path))

    @functools.cached_property
    def _regions(self) -> Sequence[Region]:
        """The segments; the number 0 of a label map is the background."""
        found = []
        for item in self.dataset.get("SegmentSequence") or []:
            number = item.get("SegmentNumber")
            if not isinstance(number, int):
                raise CheckError(f"{self.path.name} has a segment without a number", evidence=str(self.path))
            category = read_codes(item.get("SegmentedPropertyCategoryCodeSequence"))
            codes = read_codes(item.get("SegmentedPropertyTypeCodeSequence"))
            found.append(
                Region(
                    number,
                    str(item.get("SegmentLabel", "")),
                    (*codes, *read_codes(item.get("AnatomicRegionSequence"))),
                    category[0] if category else None,
                    str(item.get("SegmentAlgorithmType", "")),
                )
            )
        found.sort(key=lambda segment: segment.number)
        return [segment for segment in found if segment.number != 0 or not self.is_label_map]


def read_segment_number(frame: Any, shared: Any) -> int:
    """Return the number of the segment that a frame belongs to.

    Raises:
        CheckError: it does not say so.
    """
    number = read_group_item(frame, shared, "SegmentIdentificationSequence").get("ReferencedSegmentNumber")
    if not isinstance(number, int):
        raise CheckError("a frame does not say which segment it belongs to")
    return number
