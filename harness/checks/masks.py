"""Masks on the slices of a grid: how much they are, and where."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.checks.explanations import Explained
from harness.geometry.grid import Grid

Mask: TypeAlias = "NDArray[np.bool_]"
Values: TypeAlias = "NDArray[np.float64]"
Box: TypeAlias = "tuple[tuple[int, int], tuple[int, int], tuple[int, int]]"


class Tabled(Explained):
    """A number that may be of a table, which its explanation then ends with."""

    context: tuple[str, ...] = ()
    """The lines of the table."""

    @property
    def lines(self) -> list[str]:
        """Return lines that explain this number alone."""
        raise NotImplementedError

    @property
    def explanation(self) -> list[str]:
        """Return the lines of the number, and the table that it belongs to."""
        return [*self.lines, *self.context]


class Volume(Tabled):
    """A volume in millilitres; an assertion about it that fails says where its voxels are."""

    shown_as: ClassVar[str] = ".2f"
    label: str
    _mask: Mask

    @classmethod
    def of(cls, label: str, mask: Mask, grid: Grid) -> Volume:
        """Return the volume of a mask; a slice stands for the space half way to its neighbours."""
        found = cls(volume_ml(mask, grid))
        found.label, found._mask = label, mask
        return found

    @property
    def what(self) -> str:
        """Return the name of the volume, for messages."""
        return f"volume of {self.label!r}"

    @property
    def unit(self) -> str:
        """Millilitres."""
        return "ml"

    @property
    def lines(self) -> list[str]:
        """Return the number of voxels and their extent."""
        if (box := find_extent(self._mask)) is None:
            return ["no voxel has this label"]
        return [f"{int(np.count_nonzero(self._mask))} voxels in {describe_box(box, self._mask.shape[0])}"]


def volume_ml(mask: Mask, grid: Grid) -> float:
    """Return the volume of a mask in millilitres."""
    area = grid.pixel_spacing[0] * grid.pixel_spacing[1]
    return float(np.dot(np.count_nonzero(mask, axis=(1, 2)), grid.widths)) * area / 1000.0


def find_extent(mask: Mask) -> Box | None:
    """Return the smallest box around a mask, ``(first, behind the last)`` of slices, rows and columns."""
    if not mask.any():
        return None
    first, second, third = (_extent(mask, axis) for axis in range(3))
    return first, second, third


def describe_box(box: Box, slices: int, *, of: str = "mask") -> str:
    """Return a box in words, slices counted from 1, and as numpy writes it.

    Args:
        of: name of the array.
    """
    (first, last), rows, columns = box
    written = ", ".join(f"{begin}:{end}" for begin, end in ((first, last), rows, columns))
    where = f"slice {last}" if last - first == 1 else f"slices {first + 1} to {last}"
    return f"{where} of {slices}, all in {of}[{written}]"


def _extent(mask: Mask, axis: int) -> tuple[int, int]:
    others = tuple(other for other in range(3) if other != axis)
    found = np.nonzero(mask.any(axis=others))[0]
    return int(found[0]), int(found[-1]) + 1
