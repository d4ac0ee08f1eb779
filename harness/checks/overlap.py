"""How well two masks agree, as a number that says where they do not."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np

from harness.checks.masks import Box, Mask, Tabled, describe_box, find_extent, volume_ml
from harness.geometry.grid import Grid


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
    box: Box | None
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
        index, count = self.worst
        return [
            f"differs: {self.voxels} voxels in {describe_box(self.box, self.shape[0])}; most in slice "
            f"{index + 1} ({count})",
            f"only in the result: {self.result_ml:.4g} ml; only in the truth: {self.truth_ml:.4g} ml; "
            f"in both: {self.both_ml:.4g} ml",
        ]


class Dice(Tabled):
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
        """Return the name of the coefficient, for messages."""
        return f"dice of {self.label!r}"

    @property
    def lines(self) -> list[str]:
        """Return a description of where the two masks differ."""
        return self.difference.lines

    @functools.cached_property
    def difference(self) -> Difference:
        """Where the two masks differ."""
        mine, truth = self._mine, self._truth
        differs = mine ^ truth
        counts = np.count_nonzero(differs, axis=(1, 2))
        worst = int(counts.argmax())
        return Difference(
            int(counts.sum()),
            find_extent(differs),
            (worst, int(counts[worst])),
            volume_ml(mine & ~truth, self._grid),
            volume_ml(truth & ~mine, self._grid),
            volume_ml(mine & truth, self._grid),
            mine.shape,
        )
