"""When two values of a table or a document count as equal, and how much they differ otherwise."""

from __future__ import annotations

import dataclasses
import decimal
import math
import numbers
import re
from decimal import Decimal
from typing import Any, Final

from harness.common.documents import abridge
from harness.errors import CheckError

# leading zeros make an identifier of it; more digits than this are no measurement
_NUMBER: Final = re.compile(r"[+-]?(?:(?:0|[1-9]\d{0,39})(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_EXACT: Final = decimal.Context(prec=100)
_ROUNDING: Final = 1e-9
"""What two numbers with fractions may differ by without a tolerance of the test, as a share of the expected one."""


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """What a number may differ by: the larger of a share of the expected value and a fixed amount.

    Args:
        rel: share of the expected value; without one, whole numbers must be equal and others differ by rounding only.
        abs: amount.

    Raises:
        CheckError: one of them is negative or not a number.
    """

    rel: float | None = None
    abs: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("rel", self.rel), ("abs", self.abs)):
            if value is not None and not (isinstance(value, numbers.Real) and 0 <= value < math.inf):
                raise CheckError(f"the tolerance {name} is {abridge(value)}, not a number from 0 on")

    def compare(self, found: Any, expected: Any) -> str:
        """Return the difference between a value and the expected one, in words; empty if they agree."""
        if isinstance(found, str) and found == expected:
            return ""
        mine, other = as_number(found), as_number(expected)
        if mine is None or other is None:
            return "" if _is_same(found, expected) else f"{abridge(found)} instead of {abridge(expected)}"
        distance = abs(_EXACT.subtract(mine, other))
        allowed = max(_EXACT.multiply(self._share(mine, other), abs(other)), Decimal(repr(float(self.abs))))
        if distance <= allowed:
            return ""
        within = f", allowed are {float(allowed):.6g}" if self.rel or self.abs else ""
        return f"{_plain(found)} instead of {_plain(expected)} (they differ by {float(distance):.6g}{within})"

    def _share(self, mine: Decimal, other: Decimal) -> Decimal:
        if self.rel is not None:
            return Decimal(repr(float(self.rel)))
        whole = mine == mine.to_integral_value() and other == other.to_integral_value()
        return Decimal(0) if whole else Decimal(repr(_ROUNDING))


def as_number(value: Any) -> Decimal | None:
    """Return a number, or a text that is one, exactly; ``None`` for everything else, infinity and NaN among it."""
    if isinstance(value, str):
        text = value.strip()
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, numbers.Integral):
        return Decimal(int(value))
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return Decimal(repr(float(value)))
    return None


def _is_same(found: Any, expected: Any) -> bool:
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(found, float) and isinstance(expected, float) and math.isnan(found) and math.isnan(expected):
        return True
    if isinstance(found, str) and isinstance(expected, float):
        return found.strip().lower() == repr(expected)
    if isinstance(found, str) and isinstance(expected, str):
        return found.strip() == expected.strip()
    return bool(found == expected)


def _plain(value: Any) -> str:
    return value.strip() if isinstance(value, str) else abridge(value)
