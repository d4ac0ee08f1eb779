"""Grids of DICOM objects, for checks: how one stack of frames lies on the voxels of another.

Coordinates are LPS millimetres. Volumes are indexed ``(slice, row, column)``; slices are in ascending position
along the normal ``row direction x column direction``, as in :class:`harness.data.Series`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.series import Geometry, Series
from harness.errors import CheckError
from harness.geometry.grid import SAME_PLACE, Grid, Vector

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


def differences(mine: Geometry, other: Geometry) -> list[str]:
    """Return what differs between two grids, in words; empty when both describe the same voxels."""
    found = []
    if mine.shape != other.shape:
        found.append(f"{mine.shape} voxels (slices, rows, columns) instead of {other.shape}")
    for title, left, right, tolerance in (
        ("spacing in mm", mine.spacing, other.spacing, 1e-3),
        ("origin in mm", mine.origin, other.origin, POSITION_TOLERANCE * min(other.spacing)),
        ("orientation", mine.orientation, other.orientation, 1e-3),
    ):
        if not np.allclose(left, right, rtol=0, atol=tolerance):
            found.append(f"{title} {_numbers(left)} instead of {_numbers(right)}")
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
        origin=_vector(points[order[0]]),
        row_direction=_vector(row),
        column_direction=_vector(column),
        slice_direction=_vector(normal),
    )


def stack_planes(
    origins: Sequence[Sequence[float]], regular: Geometry, *, tolerance: float = POSITION_TOLERANCE
) -> Grid:
    """The planes of a stack of frames: those of ``regular`` where every frame is on one, else the frames' own places.

    Args:
        origins: Image Position (Patient) of the frames, in any order; equal positions count once.
        regular: what :func:`stack_geometry` makes of them.
        tolerance: how far a frame may be from a plane, as a share of the spacing.
    """
    even = regular.grid
    points = [_vector(origin) for origin in origins]
    along = [float(np.dot(point, even.normal)) for point in points]
    steps = [(distance - even.distances[0]) / regular.spacing[0] for distance in along]
    if all(abs(step - round(step)) <= tolerance for step in steps):
        return even
    places = {round(distance / SAME_PLACE): point for distance, point in zip(along, points, strict=True)}
    return dataclasses.replace(even, origins=tuple(places[key] for key in sorted(places)))


def placement(origin: Sequence[float], inner: Grid, outer: Grid) -> tuple[int, int, int]:
    """Index in ``outer`` of the first voxel of a frame of ``inner`` that starts at ``origin``.

    Each plane of ``outer`` counts where it really is, so that neither a missing slice nor a tilt moves a voxel.

    Raises:
        CheckError: the frame does not lie on the voxels of ``outer``.
    """
    mine, its = ((*grid.row_direction, *grid.column_direction) for grid in (inner, outer))
    if not np.allclose(mine, its, rtol=0, atol=1e-3):
        raise CheckError(
            f"the segmentation is in planes of orientation {_numbers(mine)}, its source in {_numbers(its)}"
        )
    if not np.allclose(inner.pixel_spacing, outer.pixel_spacing, rtol=0, atol=1e-3):
        raise CheckError(
            f"the segmentation has pixels of {_numbers(inner.pixel_spacing)} mm, "
            f"its source of {_numbers(outer.pixel_spacing)} mm"
        )
    start = np.asarray([float(value) for value in origin])
    along = float(np.dot(start, outer.normal))
    distances, widths = outer.distances, outer.widths
    nearest = min(range(len(distances)), key=lambda index: abs(distances[index] - along))
    steps = [(along - distances[nearest]) / widths[nearest]]
    shift = start - np.asarray(outer.origins[nearest])
    axes = (outer.column_direction, outer.row_direction)
    steps += [float(np.dot(shift, axis)) / step for axis, step in zip(axes, outer.pixel_spacing, strict=True)]
    # beyond the ends the stack goes on in thought: such a frame may be there as long as it is empty
    in_a_gap = distances[0] < along < distances[-1] and round(steps[0]) != 0
    if in_a_gap or any(abs(step - round(step)) > POSITION_TOLERANCE for step in steps):
        raise CheckError(
            "the segmentation's voxels lie between those of its source "
            f"(a frame starts {_numbers(steps)} slices, rows, columns from slice {nearest} of the source)",
            fix="write the mask on the voxels of the image it was made from",
        )
    return nearest + round(steps[0]), round(steps[1]), round(steps[2])


def _vector(values: Any) -> Vector:
    first, second, third = (float(value) for value in values)
    return first, second, third


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
