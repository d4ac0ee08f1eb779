"""Grids of DICOM objects, for checks: how one stack of frames lies on the voxels of another.

Coordinates are LPS millimetres. Volumes are indexed ``(slice, row, column)``; slices are in ascending position
along the normal ``row direction x column direction``, as in :class:`harness.data.Series`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.series import Geometry, Series, Vector
from harness.errors import CheckError

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


def placement(origin: Sequence[float], inner: Geometry, outer: Geometry) -> tuple[int, int, int]:
    """Index in ``outer`` of the first voxel of a frame of ``inner`` that starts at ``origin``.

    Raises:
        CheckError: the frame does not lie on the voxels of ``outer``.
    """
    if not np.allclose(inner.orientation, outer.orientation, rtol=0, atol=1e-3):
        raise CheckError(
            f"the segmentation is in planes of orientation {_numbers(inner.orientation)}, "
            f"its source in {_numbers(outer.orientation)}"
        )
    if not np.allclose(inner.spacing[1:], outer.spacing[1:], rtol=0, atol=1e-3):
        raise CheckError(
            f"the segmentation has pixels of {_numbers(inner.spacing[1:])} mm, "
            f"its source of {_numbers(outer.spacing[1:])} mm"
        )
    shift = np.asarray([float(value) for value in origin]) - np.asarray(outer.origin)
    axes = (outer.slice_direction, outer.column_direction, outer.row_direction)
    steps = [float(np.dot(shift, axis)) / step for axis, step in zip(axes, outer.spacing, strict=True)]
    first, second, third = (round(step) for step in steps)
    if any(abs(step - round(step)) > POSITION_TOLERANCE for step in steps):
        raise CheckError(
            "the segmentation's voxels lie between those of its source "
            f"(a frame starts at slice, row, column {_numbers(steps)})",
            fix="write the mask on the voxels of the image it was made from",
        )
    return first, second, third


def _vector(values: Any) -> Vector:
    first, second, third = (float(value) for value in values)
    return first, second, third


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
