"""Where the patient's sides lie in a picture: the letters that radiologists look for at its edges."""

from __future__ import annotations

import dataclasses
from typing import Final

from harness.geometry.grid import Grid, Vector

# of the axes of DICOM's patient coordinates (PS3.3, C.7.6.2.1.1): what they point to, and away from
_LETTERS: Final = (("L", "R"), ("P", "A"), ("H", "F"))
_SHARE: Final = 0.35
"""An axis counts from this component of a unit vector on: about 20 degrees off the others."""


@dataclasses.dataclass(frozen=True)
class Edges:
    """What lies at the edges of a picture: one or two of R(ight), L(eft), A(nterior), P(osterior), H(ead), F(eet)."""

    top: str
    bottom: str
    left: str
    right: str


def name_direction(direction: Vector) -> str:
    """Return where in the patient a unit vector points, the largest component first, as in (0020,0020)."""
    parts = sorted(zip(direction, _LETTERS, strict=True), key=lambda part: -abs(part[0]))
    return "".join(letters[size < 0] for size, letters in parts if abs(size) >= _SHARE)


def find_edges(grid: Grid, *, upright: bool) -> tuple[Edges, Edges, Edges]:
    """Return the edges of the three planes: of a slice, across its rows, across its columns.

    Args:
        grid: where the slices lie.
        upright: the last slice is at the top of the planes across the slices.
    """
    along, down, through = grid.row_direction, grid.column_direction, grid.normal
    if upright:
        through = _opposite(through)
    return _edges(down, along), _edges(through, along), _edges(through, down)


def _edges(down: Vector, right: Vector) -> Edges:
    return Edges(
        top=name_direction(_opposite(down)),
        bottom=name_direction(down),
        left=name_direction(_opposite(right)),
        right=name_direction(right),
    )


def _opposite(direction: Vector) -> Vector:
    x, y, z = direction
    return -x, -y, -z
