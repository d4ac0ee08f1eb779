"""A DICOM SEG as segments on the slices of its source, decoded within bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.checks.dicom import Placement
from harness.checks.dicom_files import read_dataset
from harness.checks.frames import make_frame_decoder, read_frame_groups, read_group_item, read_references
from harness.checks.segmentation import read_segment_number
from harness.checks.segmentation_rules import is_label_map
from harness.errors import CheckError
from harness.geometry.grid import SAME_PLACE, Grid, dot, vector
from harness.report.overlay import MOST_SEGMENTS, Overlay, OverlayBuilder
from harness.report.volume import LARGEST_FRAME, Deadline, UnshownError

if TYPE_CHECKING:
    from harness.data.series import Series

MOST_FRAMES: Final = 20_000
LARGEST_FILE: Final = 512 << 20


def read_segmentation(path: Path) -> Any:
    """Return the dataset of a SEG.

    Raises:
        UnshownError: it is too large, or cannot be read.
    """
    try:
        return read_dataset(path, LARGEST_FILE)
    except CheckError as error:
        raise UnshownError(error.cause) from None


def find_source(dataset: Any, sources: Sequence[Series]) -> Series | None:
    """Return the series that a SEG says it was made from."""
    uids, _ = read_references(dataset)
    return next((series for series in sources if series.series_instance_uid in uids), None)


def read_grid(dataset: Any) -> Grid:
    """Return a grid of the planes on which a SEG has frames, and of no others.

    A file may claim that its frames are a kilometre apart: planes between them are not made.

    Raises:
        UnshownError: it does not say where its frames are.
    """
    try:
        shared, frames = _frames(dataset)
        orientation = [
            float(part) for part in _group(frames[0], shared, "PlaneOrientationSequence").ImageOrientationPatient
        ]
        measures = _group(frames[0], shared, "PixelMeasuresSequence")
        rows_apart, columns_apart = (float(part) for part in measures.PixelSpacing)
        row, column = vector(orientation[:3]), vector(orientation[3:])
        grid = Grid(int(dataset.Rows), int(dataset.Columns), (rows_apart, columns_apart), row, column, ())
        places = {}
        for frame in frames:
            origin = vector(_group(frame, shared, "PlanePositionSequence").ImagePositionPatient)
            places[round(dot(origin, grid.normal) / SAME_PLACE)] = origin
        return dataclasses.replace(
            grid,
            origins=tuple(places[key] for key in sorted(places)),
            thickness=float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1.0),
        )
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise UnshownError(f"it does not say where its frames are: {type(error).__name__}: {error}") from None


def lay_segmentation(dataset: Any, inner: Grid, grid: Grid, deadline: Deadline) -> Overlay:
    """Return the segments of a SEG on the slices of a grid.

    Args:
        dataset: the SEG.
        inner: :func:`read_grid` of it.
        grid: that of its source, or its own.
        deadline: of the page.

    Raises:
        UnshownError: it cannot be decoded.
        CheckError: its voxels are not those of the grid.
    """
    items = list(dataset.get("SegmentSequence", []))
    numbered = []
    for item in items:
        number = _integer(item.get("SegmentNumber"))
        if number is not None and (number != 0 or not is_label_map(dataset)):
            numbered.append((number, str(item.get("SegmentLabel", "")) or f"segment {number}"))
    numbered.sort()
    shown = numbered[:MOST_SEGMENTS]
    builder = OverlayBuilder(grid, [label for _, label in shown])
    places = {number: index for index, (number, _) in enumerate(shown)}
    shared, frames = _frames(dataset)
    plane_of = _decoder(dataset)
    placement = Placement(inner, grid)
    for index, frame in enumerate(frames):
        deadline.check()
        plane = plane_of(index)
        if not plane.any():
            continue
        origin = vector(_group(frame, shared, "PlanePositionSequence").ImagePositionPatient)
        place = placement.find(origin)
        for number, part in _parts(dataset, plane, frame, shared):
            if number in places:
                builder.add(places[number], part, place)
    more = len(numbered) - len(shown)
    return builder.result(f"{more} more segments are not shown" if more > 0 else "")


def _parts(dataset: Any, plane: NDArray[Any], frame: Any, shared: Any) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield the segments of a frame with their voxels."""
    if is_label_map(dataset):
        for value in np.unique(plane):
            if value:
                yield int(value), plane == value
        return
    number = read_segment_number(frame, shared)
    if str(dataset.get("SegmentationType", "BINARY")) == "FRACTIONAL":
        yield number, plane >= 0.5 * (_integer(dataset.get("MaximumFractionalValue")) or 255)
    else:
        yield number, plane != 0


def _decoder(dataset: Any) -> Callable[[int], NDArray[Any]]:
    """Return a decoder of single frames, so that only one is in memory."""
    try:
        decode = make_frame_decoder(dataset, largest=LARGEST_FRAME)
    except CheckError as error:
        raise UnshownError(error.cause) from None

    def plane(index: int) -> NDArray[Any]:
        try:
            return decode(index)
        except CheckError as error:
            raise UnshownError(error.cause) from None

    return plane


def _frames(dataset: Any) -> tuple[Any, list[Any]]:
    try:
        shared, frames = read_frame_groups(dataset)
    except CheckError as error:
        raise UnshownError(error.cause) from None
    if len(frames) > MOST_FRAMES:
        raise UnshownError(f"it has {len(frames)} frames")
    return shared, frames


def _group(frame: Any, shared: Any, name: str) -> Any:
    try:
        return read_group_item(frame, shared, name)
    except CheckError as error:
        raise UnshownError(error.cause) from None


def _integer(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None
