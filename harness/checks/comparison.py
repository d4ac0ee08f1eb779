"""Several labels beside their truths, as a table."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping, Sequence

from harness.checks.distances import Distance, SurfaceDistance, measure_surface_distance
from harness.checks.explanations import note
from harness.checks.masks import Mask, Tabled, Volume, volume_ml
from harness.checks.overlap import Dice
from harness.checks.verdict import Verdict
from harness.errors import CheckError, UsageError
from harness.geometry.grid import Grid

_LONGEST_LABEL = 40
_TITLES = ("label", "dice", "hausdorff mm", "95 % mm", "mean mm", "result ml", "truth ml", "")


@dataclasses.dataclass(frozen=True)
class ComparedLabel:
    """One label beside its truth.

    Attributes:
        label: of the result.
        truth_ml: volume of the truth.
        distance: of the surfaces; ``None`` where it was not asked for, or one of the masks is empty.
    """

    label: str
    truth_ml: float
    distance: SurfaceDistance | None
    _dice: Dice = dataclasses.field(repr=False)
    _volume: Volume = dataclasses.field(repr=False)
    _distances: tuple[Distance, Distance, Distance] | None = dataclasses.field(repr=False)

    @classmethod
    def of(cls, label: str, mine: Mask, truth: Mask, grid: Grid, *, distances: bool) -> ComparedLabel:
        """Return the comparison of two masks, at least one of which is not empty."""
        distance, numbers = None, None
        if distances and mine.any() and truth.any():
            distance = measure_surface_distance(label, mine, truth, grid)
            numbers = distance.hausdorff_mm, distance.p95_mm, distance.mean_mm
        elif distances:
            why = ("the truth is empty" if mine.any() else "the result is empty",)
            one, two, three = (Distance.of(f"surface distance of {label!r}", math.inf, why) for _ in range(3))
            numbers = one, two, three
        dice, volume = Dice.of(label, mine, truth, grid), Volume.of(label, mine, grid)
        return cls(label, volume_ml(truth, grid), distance, dice, volume, numbers)

    @property
    def dice(self) -> Dice:
        """Dice coefficient."""
        note(self._dice, sys._getframe(1))
        return self._dice

    @property
    def volume_ml(self) -> Volume:
        """Volume of the result."""
        note(self._volume, sys._getframe(1))
        return self._volume

    @property
    def volume_difference(self) -> float:
        """Difference of the volumes as a share of that of the truth; infinite where the truth is empty."""
        return abs(self._volume - self.truth_ml) / self.truth_ml if self.truth_ml else math.inf

    @property
    def hausdorff_mm(self) -> Distance:
        """Hausdorff distance; infinite where one of the masks is empty."""
        return self._ask(0)

    @property
    def p95_mm(self) -> Distance:
        """95th percentile of the surface distance; infinite where one of the masks is empty."""
        return self._ask(1)

    @property
    def mean_mm(self) -> Distance:
        """Mean surface distance; infinite where one of the masks is empty."""
        return self._ask(2)

    def _ask(self, index: int) -> Distance:
        if self._distances is None:
            raise UsageError(
                f"the distances of {self.label!r} were not measured", fix="leave distances=False of compare() out"
            )
        found = self._distances[index]
        # the assertion that asks for it, two frames away
        note(found, sys._getframe(2))
        return found

    @property
    def numbers(self) -> tuple[Tabled, ...]:
        """Return the numbers that a failed assertion explains."""
        return (self._dice, self._volume, *(self._distances or ()))

    @property
    def line(self) -> str:
        """Return the most telling of its numbers in words."""
        distance = "" if self._distances is None else f"95 % within {self._distances[1]:.2f} mm, "
        return f"dice {self._dice:.4f}, {distance}{self._volume:.2f} ml where the truth has {self.truth_ml:.2f} ml"

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the texts of its line in a table."""
        distances = ["-"] * 3 if self._distances is None else [f"{value:.2f}" for value in self._distances]
        label = " ".join(self.label.split())
        label = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 3]}..."
        return (label, f"{self._dice:.4f}", *distances, f"{self._volume:.2f}", f"{self.truth_ml:.2f}")


class Comparison(Mapping[str, ComparedLabel]):
    """A table of labels beside their truths, by label; its text is the table.

    Args:
        name: of the file that was compared.
        rows: one for each label.
    """

    def __init__(self, name: str, rows: Sequence[ComparedLabel]) -> None:
        self.name = name
        self._rows = {row.label: row for row in rows}
        context = tuple(_table(rows, {}))
        for number in (number for row in rows for number in row.numbers):
            number.context = context

    def __getitem__(self, label: str) -> ComparedLabel:
        if label in self._rows:
            return self._rows[label]
        fitting = [row for known, row in self._rows.items() if known.casefold() == label.casefold()]
        if len(fitting) == 1:
            return fitting[0]
        raise CheckError(f"{label!r} was not compared; these were: {', '.join(map(repr, self._rows))}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __str__(self) -> str:
        return "\n".join(_table(tuple(self._rows.values()), {}))

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self._rows)} of {self.name}>"

    def meets(
        self,
        *,
        dice: float | None = None,
        hausdorff_mm: float | None = None,
        p95_mm: float | None = None,
        mean_mm: float | None = None,
        volume_difference: float | None = None,
    ) -> Verdict:
        """Return whether all labels keep the limits; a no is the table, with what is beyond them.

        Args:
            dice: the least coefficient.
            hausdorff_mm, p95_mm, mean_mm: the greatest distances.
            volume_difference: the greatest difference of the volumes, as a share of that of the truth.

        Raises:
            UsageError: no limit is given.
        """
        limits = {
            "hausdorff_mm": hausdorff_mm,
            "p95_mm": p95_mm,
            "mean_mm": mean_mm,
            "volume_difference": volume_difference,
        }
        if dice is None and all(limit is None for limit in limits.values()):
            raise UsageError("meets() has no limit to compare with", fix="give one, e.g. dice=0.9")
        beyond: dict[str, str] = {}
        for label, row in self._rows.items():
            # a limit holds unless the number keeps it: what is not a number does not
            if dice is not None and not row._dice >= dice:
                beyond[label] = f"dice {row._dice:.4f} < {dice:g}"
                continue
            for name, limit in limits.items():
                if limit is not None and not (value := float(getattr(row, name))) <= limit:
                    beyond[label] = f"{name} {value:.3g} > {limit:g}"
                    break
        lines = _table(tuple(self._rows.values()), beyond)
        subject = f"{self.name} meets its truth"
        if not beyond:
            return TableVerdict(True, subject, f"all {len(self._rows)} labels", tuple(lines))
        label, what = next(iter(beyond.items()))
        more = f" (and {len(beyond) - 1} more labels)" if len(beyond) > 1 else ""
        return TableVerdict(False, subject, f"{label!r} has {what}{more}", tuple(lines))


class TableVerdict(Verdict):
    """A verdict whose details are the lines of a table."""

    def __str__(self) -> str:
        return "\n".join((self.summary, *self.details))


def _table(rows: Sequence[ComparedLabel], beyond: Mapping[str, str]) -> list[str]:
    cells = [_TITLES, *((*row.cells, beyond.get(row.label, "")) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_TITLES))]
    lines = []
    for label, *numbers, note_ in cells:
        right = [number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join((label.ljust(widths[0]), *right, note_)).rstrip())
    return lines
