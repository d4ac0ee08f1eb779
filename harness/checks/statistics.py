"""Statistics of the values of an image, as numbers that say what they were made of."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.checks.explanations import Explained, note
from harness.errors import CheckError


class Statistic(Explained):
    """A number about values; an assertion about it that fails shows what else is known of them."""

    _what: str
    _unit: str
    _explanation: tuple[str, ...]

    @property
    def what(self) -> str:
        """Return the name of the number, for messages."""
        return self._what

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return self._unit

    @property
    def explanation(self) -> list[str]:
        """Return the count of values and their spread."""
        return list(self._explanation)


class Statistics:
    """Statistics of values, those that are not a number left out.

    Args:
        label: of what.
        unit: of the values.
        values: whatever the voxels hold.

    Raises:
        CheckError: there is no value.
    """

    def __init__(self, label: str, unit: str, values: NDArray[Any]) -> None:
        self._label, self._unit = label, unit
        self._values = values[~np.isnan(values)]
        self.count = int(self._values.size)
        """Voxels with a value."""
        self.undefined = int(values.size) - self.count
        """Voxels without one."""
        if not self.count:
            raise CheckError(f"none of the {values.size} voxels of {label!r} has a value")

    def __repr__(self) -> str:
        return f"<Statistics of {self._label!r}: {self._line}>"

    @property
    def mean(self) -> Statistic:
        """Mean."""
        return self._number("mean", float(self._values.mean()))

    @property
    def std(self) -> Statistic:
        """Standard deviation of these values (not of a population that they are a sample of)."""
        return self._number("standard deviation", float(self._values.std()))

    @property
    def minimum(self) -> Statistic:
        """Smallest value."""
        return self._number("minimum", float(self._values.min()))

    @property
    def maximum(self) -> Statistic:
        """Largest value."""
        return self._number("maximum", float(self._values.max()))

    @property
    def median(self) -> Statistic:
        """Median."""
        return self._number("median", float(np.median(self._values)))

    def percentile(self, share: float) -> Statistic:
        """Return the value below which a share of the values lies, in per cent.

        Raises:
            CheckError: the share is not between 0 and 100.
        """
        if not 0 <= share <= 100:
            raise CheckError(f"a percentile is between 0 and 100, not {share:g}")
        return self._number(f"percentile {share:g}", float(np.percentile(self._values, share)))

    @property
    def _line(self) -> str:
        low, middle, high = (float(value) for value in np.percentile(self._values, (5, 50, 95)))
        unit = f" {self._unit}" if self._unit else ""
        without = f", {self.undefined} have none" if self.undefined else ""
        return (
            f"{self.count} voxels with values from {self._values.min():.6g} to {self._values.max():.6g}{unit}{without}"
            f"; 5 % below {low:.6g}, half below {middle:.6g}, 95 % below {high:.6g}"
        )

    def _number(self, name: str, value: float) -> Statistic:
        found = Statistic(value)
        found._what, found._unit, found._explanation = f"{name} of {self._label!r}", self._unit, (self._line,)
        # the assertion that asks for it, two frames away
        note(found, sys._getframe(2))
        return found
