"""Grids of DICOM objects, for checks: how one stack of frames lies on the voxels of another.

Coordinates are LPS millimetres. Volumes are indexed ``(slice, row, column)``; slices are in ascending position
along the normal ``row direction x column direction``, as in :class:`harness.data.Series`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.data.series import Geometry, Series
from harness.errors import CheckError
from harness.geometry.grid import SAME_PLACE, Grid, Vector, dot, vector
from harness.wire.messages import show_numbers

# a frame belongs to a grid position when it is nearer than this fraction of the spacing
POSITION_TOLERANCE = 0.1


def as_series(source: Series | Path | str) -> Series:
    """Return the series itself, or the only one of a folder.

    Raises:
        InputDataError: there is no image in the folder.
        CheckError: the folder holds several series.
    """
    if isinstance(source, Series):
        return source
    from harness.data import read_input

    found = read_input(Path(source))
    if len(found) != 1:
        raise CheckError(f"{source} holds {len(found)} series where one is expected")
    return found[0]


def list_differences(mine: Geometry, other: Geometry) -> list[str]:
    """Return the differences of two grids, in words; empty when both describe the same voxels."""
    found = []
    if mine.shape != other.shape:
        found.append(f"{mine.shape} voxels (slices, rows, columns) instead of {other.shape}")
    for title, left, right, tolerance in (
        ("spacing in mm", mine.spacing, other.spacing, 1e-3),
        ("origin in mm", mine.origin, other.origin, POSITION_TOLERANCE * min(other.spacing)),
        ("orientation", mine.orientation, other.orientation, 1e-3),
    ):
        if not np.allclose(left, right, rtol=0, atol=tolerance):
            found.append(f"{title} {show_numbers(left)} instead of {show_numbers(right)}")
    return found


def stack_geometry(
    origins: Sequence[Sequence[float]],
    orientation: Sequence[float],
    pixel_spacing: tuple[float, float],
    rows_columns: tuple[int, int],
    *,
    thickness: float,
) -> Geometry:
    """Return the grid of a stack of frames, of which some positions may be missing.

    Args:
        origins: Image Position (Patient) of the frames, in any order; equal positions count once.
        orientation: Image Orientation (Patient), six numbers.
        pixel_spacing: distance of rows, distance of columns in mm.
        rows_columns: number of rows, number of columns.
        thickness: the distance of slices in mm to assume for a single position.
    """
    row = np.asarray(orientation[:3], float)
    column = np.asarray(orientation[3:], float)
    normal = np.cross(row, column)
    points = np.asarray([[float(value) for value in origin] for origin in origins], float)
    distances = points @ normal
    order = np.argsort(distances, kind="stable")
    sorted_distances = distances[order]
    gaps = np.diff(sorted_distances)
    gaps = gaps[gaps > 1e-3]
    # sparse segmentations leave slices out: the smallest gap is the distance of neighbours
    spacing = float(gaps.min()) if len(gaps) else thickness
    return Geometry(
        shape=(1 + round(float(sorted_distances[-1] - sorted_distances[0]) / spacing), *rows_columns),
        spacing=(spacing, *pixel_spacing),
        origin=vector(points[order[0]]),
        row_direction=vector(row),
        column_direction=vector(column),
        slice_direction=vector(normal),
    )


def stack_planes(
    origins: Sequence[Sequence[float]], regular: Geometry, *, tolerance: float = POSITION_TOLERANCE
) -> Grid:
    """Return the planes of a stack of frames: those of ``regular`` if every frame is on one, else the frames' own.

    Args:
        origins: Image Position (Patient) of the frames, in any order; equal positions count once.
        regular: what :func:`stack_geometry` makes of them.
        tolerance: how far a frame may be from a plane, as a share of the spacing.
    """
    even = regular.grid
    points = [vector(origin) for origin in origins]
    normal, first = even.normal, dot(even.origins[0], even.normal)
    along = [dot(point, normal) for point in points]
    steps = [(distance - first) / regular.spacing[0] for distance in along]
    if all(abs(step - round(step)) <= tolerance for step in steps):
        return even
    places = {round(distance / SAME_PLACE): point for distance, point in zip(along, points, strict=True)}
    return dataclasses.replace(even, origins=tuple(places[key] for key in sorted(places)))


class Placement:
    """Where frames of one grid are on the voxels of another.

    Each plane of the other counts where it really is, so that neither a missing slice nor a tilt moves a voxel.

    Args:
        inner: planes of the frames.
        outer: planes on whose voxels they have to be.
        what, on: what the two are, for messages.

    Raises:
        CheckError: planes of the two are not parallel, or have pixels of different spacing.
    """

    def __init__(self, inner: Grid, outer: Grid, *, what: str = "the segmentation", on: str = "its source") -> None:
        mine, its = ((*grid.row_direction, *grid.column_direction) for grid in (inner, outer))
        if not np.allclose(mine, its, rtol=0, atol=1e-3):
            raise CheckError(f"{what} is in planes of orientation {show_numbers(mine)}, {on} in {show_numbers(its)}")
        if not np.allclose(inner.pixel_spacing, outer.pixel_spacing, rtol=0, atol=1e-3):
            raise CheckError(
                f"{what} has pixels of {show_numbers(inner.pixel_spacing)} mm, "
                f"{on} of {show_numbers(outer.pixel_spacing)} mm"
            )
        self._outer, self._what, self._on = outer, what, on
        self._distances, self._widths = np.asarray(outer.distances), outer.widths
        self._normal = outer.normal
        self._known: dict[tuple[float, ...], tuple[int, int, int]] = {}

    def find(self, origin: Sequence[float]) -> tuple[int, int, int]:
        """Return the index of the first voxel of the frame that starts at ``origin``.

        Raises:
            CheckError: the frame does not lie on the voxels.
        """
        start = vector(origin)
        if start not in self._known:
            self._known[start] = self._find(start)
        return self._known[start]

    def _find(self, origin: Vector) -> tuple[int, int, int]:
        outer, distances = self._outer, self._distances
        along = dot(origin, self._normal)
        nearest = int(np.abs(distances - along).argmin())
        steps = [(along - float(distances[nearest])) / self._widths[nearest]]
        shift = vector(np.subtract(origin, outer.origins[nearest]))
        axes = (outer.column_direction, outer.row_direction)
        steps += [dot(shift, axis) / step for axis, step in zip(axes, outer.pixel_spacing, strict=True)]
        # the grid continues beyond the ends of the stack: such a frame may be there as long as it is empty
        in_a_gap = distances[0] < along < distances[-1] and round(steps[0]) != 0
        if in_a_gap or any(abs(step - round(step)) > POSITION_TOLERANCE for step in steps):
            raise CheckError(
                f"{self._what}'s voxels lie between those of {self._on} "
                f"(a frame starts {show_numbers(steps)} slices, rows, columns from slice {nearest} of {self._on})",
                fix="write the mask on the voxels of the image it was made from",
            )
        return nearest + round(steps[0]), round(steps[1]), round(steps[2])
