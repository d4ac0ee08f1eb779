"""The true grid of a stack of planes: every plane has its own position, whether they are evenly spaced or not."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable
from typing import Final

Vector = tuple[float, float, float]
SAME_PLACE: Final = 1e-3
"""Millimetres along the normal within which two planes are at one position."""

# how far a position may be from an even grid, as a share of the distance of two planes
_SHARE = 0.01
# or in mm, but never more than that share: positions are decimal texts, often rounded to a tenth
_ROUNDED = 0.1
_ROUNDED_SHARE = 0.2


def vector(values: Iterable[float]) -> Vector:
    """Return three numbers as floats."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def cross(a: Vector, b: Vector) -> Vector:
    """Return the cross product."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def dot(a: Vector, b: Vector) -> float:
    """Return the scalar product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


@dataclasses.dataclass(frozen=True)
class Grid:
    """Parallel planes of equal size, sorted along their normal, in the patient's LPS millimetre space.

    Attributes:
        rows, columns: number of voxels of a plane.
        pixel_spacing: millimetres between rows, between columns.
        row_direction: unit vector of growing column indices.
        column_direction: unit vector of growing row indices.
        origins: centre of the first voxel of each plane.
        thickness: millimetres that a single plane covers, as its file says; 1 where it does not.
    """

    rows: int
    columns: int
    pixel_spacing: tuple[float, float]
    row_direction: Vector
    column_direction: Vector
    origins: tuple[Vector, ...]
    thickness: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of (planes, rows, columns)."""
        return len(self.origins), self.rows, self.columns

    @property
    def normal(self) -> Vector:
        """Unit vector of growing plane indices."""
        x, y, z = cross(self.row_direction, self.column_direction)
        length = math.sqrt(x * x + y * y + z * z) or 1.0
        return x / length, y / length, z / length

    @property
    def distances(self) -> tuple[float, ...]:
        """Position of each plane along the normal in mm."""
        return tuple(dot(origin, self.normal) for origin in self.origins)

    @property
    def gaps(self) -> tuple[float, ...]:
        """Millimetres from each plane to the next."""
        return tuple(after - before for before, after in itertools.pairwise(self.distances))

    @property
    def widths(self) -> tuple[float, ...]:
        """Thickness of each plane in millimetres: half way to its neighbours, and symmetric at the ends."""
        gaps = self.gaps
        if not gaps:
            return (self.thickness,)
        before, after = (gaps[0], *gaps), (*gaps, gaps[-1])
        return tuple((left + right) / 2 for left, right in zip(before, after, strict=True))

    @property
    def spacing(self) -> float:
        """Millimetres between planes, on average; the thickness of a single one."""
        return sum(self.gaps) / len(self.gaps) if self.gaps else self.thickness

    @property
    def is_even(self) -> bool:
        """Whether the planes are evenly spaced, except for rounded positions."""
        first, step = self.distances[0], self.spacing
        tolerance = max(_SHARE * step, min(_ROUNDED, _ROUNDED_SHARE * step))
        return step > 0 and all(
            abs(distance - first - index * step) <= tolerance for index, distance in enumerate(self.distances)
        )

    @property
    def drift(self) -> Vector:
        """In-plane shift (mm, as a vector) from the first plane to the last: not zero where the stack is sheared."""
        shift = vector([b - a for a, b in zip(self.origins[0], self.origins[-1], strict=True)])
        along = dot(shift, self.normal)
        return vector([part - along * axis for part, axis in zip(shift, self.normal, strict=True)])

    @property
    def is_sheared(self) -> bool:
        """Whether planes are shifted against each other, by more than a quarter of a pixel over the whole stack."""
        limit = 0.25 * min(self.pixel_spacing)
        first = self.origins[0]
        for origin, distance in zip(self.origins, self.distances, strict=True):
            along = distance - self.distances[0]
            inside = [o - f - along * n for o, f, n in zip(origin, first, self.normal, strict=True)]
            if math.sqrt(sum(part * part for part in inside)) > limit:
                return True
        return False
