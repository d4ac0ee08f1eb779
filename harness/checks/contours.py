"""Contours of RT structure sets, and the voxels within them.

A voxel belongs to a contour when its middle is inside. A contour within another one of the same slice is a hole, and
what two contours share is outside: inside is where a line from far away crosses contours an odd number of times.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.checks.masks import Mask
from harness.geometry.grid import Grid

CLOSED: Final = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"})
MOST_POINTS: Final = 20_000
"""Points of one contour."""

MOST_CONTOURS: Final = 50_000
"""Contours of one structure."""

# hundredths of a voxel: a corner that was meant for the middle of a voxel is there, whatever its text was rounded to
_ROUNDED: Final = 2
_FARTHEST: Final = 1e6
# a contour may go up and down thousands of times
_EDGES_AT_ONCE: Final = 2_000


@dataclasses.dataclass(frozen=True, eq=False)
class Contour:
    """One contour of a structure.

    Attributes:
        kind: Contour Geometric Type, e.g. ``CLOSED_PLANAR`` or ``POINT``.
        points: LPS millimetres, one point a line.
    """

    kind: str
    points: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"<{self.kind} of {len(self.points)} points>"


def read_contour(item: Any) -> Contour | None:
    """Return a contour of a Contour Sequence; ``None`` where its numbers cannot be points."""
    try:
        points = np.asarray([float(value) for value in item.ContourData], float).reshape(-1, 3)
    except (AttributeError, TypeError, ValueError):
        return None
    if not 0 < len(points) <= MOST_POINTS or not np.isfinite(points).all():
        return None
    return Contour(str(item.get("ContourGeometricType", "")).strip(), points)


class ContourFiller:
    """Finds the voxels within contours on the slices of a grid.

    Args:
        grid: whose slices.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._normal = np.asarray(grid.normal)
        self._distances, self._widths = np.asarray(grid.distances), np.asarray(grid.widths)

    def off_slice(self, contour: Contour) -> tuple[int, float]:
        """Return the nearest slice, and how far the points are from it at most, as a share of its width."""
        along = contour.points @ self._normal
        index = int(np.abs(self._distances - along[0]).argmin())
        return index, float(np.abs(along - self._distances[index]).max() / self._widths[index])

    def is_beyond(self, contour: Contour, index: int) -> bool:
        """Return whether a contour has room for the middle of a voxel that the slice does not have."""
        outline = self._outline(contour, index)
        last = np.array([self._grid.rows, self._grid.columns])
        return bool((outline.min(axis=0) < -1).any() or (outline.max(axis=0) > last).any())

    def toggle(self, plane: Mask, contour: Contour, index: int) -> None:
        """Turn around the voxels of a slice that are within a contour; those beyond the slice are left out."""
        outline = self._outline(contour, index)
        if np.abs(outline).max() > _FARTHEST:
            return
        top = max(0, int(np.ceil(outline[:, 0].min())))
        bottom = min(plane.shape[0], int(np.floor(outline[:, 0].max())) + 1)
        if top >= bottom:
            return
        # crossings of each row with the outline, each one at the first voxel behind it
        crossed = np.zeros((bottom - top, plane.shape[1] + 1), np.int32)
        after = np.roll(outline, -1, axis=0)
        for first in range(0, len(outline), _EDGES_AT_ONCE):
            part = slice(first, first + _EDGES_AT_ONCE)
            rows, columns = _crossings(outline[part], after[part], top, bottom)
            np.add.at(crossed, (rows - top, np.clip(columns, 0, plane.shape[1])), 1)
        plane[top:bottom] ^= (np.cumsum(crossed[:, :-1], axis=1) % 2).astype(np.bool_)

    def _outline(self, contour: Contour, index: int) -> NDArray[np.float64]:
        """Return the points as rows and columns of a slice, in voxels."""
        grid = self._grid
        relative = contour.points - np.asarray(grid.origins[index])
        rows = relative @ np.asarray(grid.column_direction) / grid.pixel_spacing[0]
        columns = relative @ np.asarray(grid.row_direction) / grid.pixel_spacing[1]
        return np.round(np.stack([rows, columns], axis=1), _ROUNDED)


def _crossings(
    begin: NDArray[np.float64], end: NDArray[np.float64], top: int, bottom: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows that edges cross, and the first voxel behind each crossing."""
    down = begin[:, 0] <= end[:, 0]
    upper, lower = np.where(down[:, None], begin, end), np.where(down[:, None], end, begin)
    # a row through a corner crosses one of its two edges, as the lower end of an edge does not count
    first = np.maximum(top, np.ceil(upper[:, 0]).astype(np.intp))
    counts = np.maximum(0, np.minimum(bottom, np.ceil(lower[:, 0]).astype(np.intp)) - first)
    edge = np.repeat(np.arange(len(begin)), counts)
    rows = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (rows - upper[edge, 0]) / (lower[edge, 0] - upper[edge, 0])
    columns = upper[edge, 1] + (lower[edge, 1] - upper[edge, 1]) * share
    # the sum of decimal fractions is a little off
    return rows, np.ceil(np.round(columns, 9)).astype(np.intp)
