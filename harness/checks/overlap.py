"""How well two masks agree, as a number that says where they do not."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.checks.explained import Explained
from harness.geometry.grid import Grid

Mask = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Difference:
    """Where a mask differs from the truth.

    Args:
        voxels: how many voxels differ.
        box: the smallest box around them as ``(first, behind the last)`` of slices, rows and columns; ``None`` where
            none differs.
        worst: the slice on which most differ, and how many do there.
        result_ml, truth_ml, both_ml: volume that is only in the mask, only in the truth, in both.
        shape: of the masks.
    """

    voxels: int
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None
    worst: tuple[int, int]
    result_ml: float
    truth_ml: float
    both_ml: float
    shape: tuple[int, ...]

    @property
    def lines(self) -> list[str]:
        """In words, slices counted from 1; the box as numpy writes it."""
        if self.box is None:
            return ["no voxel differs"]
        (first, last), rows, columns = self.box
        box = ", ".join(f"{begin}:{end}" for begin, end in ((first, last), rows, columns))
        where = f"slice {last}" if last - first == 1 else f"slices {first + 1} to {last}"
        index, count = self.worst
        return [
            f"differs: {self.voxels} voxels in {where} of {self.shape[0]}, all in mask[{box}]; most in slice "
            f"{index + 1} ({count})",
            f"only in the result: {self.result_ml:.4g} ml; only in the truth: {self.truth_ml:.4g} ml; "
            f"in both: {self.both_ml:.4g} ml",
        ]


class Dice(Explained):
    """A Dice coefficient, 0 to 1, of a segment and the truth.

    A test that asserts something about it and fails shows :attr:`difference`.
    """

    shown_as: ClassVar[str] = ".4f"
    label: str
    _mine: Mask
    _truth: Mask
    _grid: Grid

    @classmethod
    def of(cls, label: str, mine: Mask, truth: Mask, grid: Grid) -> Dice:
        """Return the coefficient of two masks of one shape, at least one of which is not empty."""
        both = int(np.count_nonzero(mine & truth))
        found = cls(2.0 * both / (int(np.count_nonzero(mine)) + int(np.count_nonzero(truth))))
        found.label, found._mine, found._truth, found._grid = label, mine, truth, grid
        return found

    @property
    def what(self) -> str:
        """Return whose coefficient it is."""
        return f"dice of {self.label!r}"

    @property
    def explanation(self) -> list[str]:
        """Return where the two masks differ, in words."""
        return self.difference.lines

    @functools.cached_property
    def difference(self) -> Difference:
        """Where the two masks differ."""
        mine, truth = self._mine, self._truth
        differs = mine ^ truth
        box = None
        if differs.any():
            first, second, third = (_extent(differs, axis) for axis in range(3))
            box = (first, second, third)
        counts = np.count_nonzero(differs, axis=(1, 2))
        worst = int(counts.argmax())
        return Difference(
            int(counts.sum()),
            box,
            (worst, int(counts[worst])),
            self._ml(mine & ~truth),
            self._ml(truth & ~mine),
            self._ml(mine & truth),
            mine.shape,
        )

    def _ml(self, mask: Mask) -> float:
        area = self._grid.pixel_spacing[0] * self._grid.pixel_spacing[1]
        return float(np.dot(np.count_nonzero(mask, axis=(1, 2)), self._grid.widths)) * area / 1000.0


def _extent(mask: Mask, axis: int) -> tuple[int, int]:
    others = tuple(other for other in range(3) if other != axis)
    found = np.nonzero(mask.any(axis=others))[0]
    return int(found[0]), int(found[-1]) + 1
