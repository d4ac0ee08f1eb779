"""Real world value mappings: what the stored numbers of an image mean (PS3.3 C.7.6.16.2.11)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.sr.coding import Code

from harness.checks.codes import read_codes
from harness.errors import CheckError


@dataclasses.dataclass(frozen=True)
class ValueMapping:
    """What stored numbers of a range mean.

    Attributes:
        label: LUT Label.
        units: their code.
        quantity: the code of what was measured; ``None`` where the object does not say it.
        first, last: the stored numbers that it is for.
        slope, intercept: of a linear mapping.
        table: the value of each stored number from ``first`` on, in place of these.
    """

    label: str
    units: Code
    quantity: Code | None
    first: float
    last: float
    slope: float
    intercept: float
    table: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        """The unit as a text; empty for numbers without one."""
        return "" if (self.units.scheme_designator, self.units.value) == ("UCUM", "1") else str(self.units.value)

    def apply(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Return the real-world values of stored numbers within the range."""
        if self.table:
            found: NDArray[np.float64] = np.asarray(self.table)[stored.astype(np.int64) - int(self.first)]
            return found
        return stored.astype(np.float64) * self.slope + self.intercept


def read_mappings(frame: Any, shared: Any, name: str) -> list[ValueMapping]:
    """Return the mappings of a frame.

    Args:
        name: of the file, for messages.

    Raises:
        CheckError: it has none, or one that is not complete.
    """
    sequence = frame.get("RealWorldValueMappingSequence") or shared.get("RealWorldValueMappingSequence")
    if not sequence:
        raise CheckError(f"{name} has a frame without RealWorldValueMappingSequence: its numbers mean nothing")
    try:
        return [_read(item) for item in sequence]
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise CheckError(f"{name} has a real world value mapping that cannot be used: {error}") from None


def _read(item: Any) -> ValueMapping:
    units = read_codes(item.get("MeasurementUnitsCodeSequence"))
    if not units:
        raise ValueError("it has no units")
    first, last = _end(item, "First"), _end(item, "Last")
    table = tuple(float(value) for value in item.get("RealWorldValueLUTData") or ())
    if table and len(table) != last - first + 1:
        raise ValueError(f"its table has {len(table)} values for the numbers {first:g} to {last:g}")
    slope, intercept = (0.0, 0.0) if table else (float(item.RealWorldValueSlope), float(item.RealWorldValueIntercept))
    if math.isnan(first) or math.isnan(last) or not math.isfinite(slope) or not math.isfinite(intercept):
        raise ValueError("its numbers are not finite")
    return ValueMapping(str(item.get("LUTLabel", "")), units[0], _quantity(item), first, last, slope, intercept, table)


def _end(item: Any, which: str) -> float:
    """Return the first or the last stored number of the range."""
    for name in (f"DoubleFloatRealWorldValue{which}ValueMapped", f"RealWorldValue{which}ValueMapped"):
        if (value := item.get(name)) is not None:
            return float(value)
    raise ValueError("it does not say for which numbers it is")


def _quantity(item: Any) -> Code | None:
    for entry in item.get("QuantityDefinitionSequence") or []:
        names = read_codes(entry.get("ConceptNameCodeSequence"))
        values = read_codes(entry.get("ConceptCodeSequence"))
        if names and values and (names[0].scheme_designator, names[0].value) == ("SCT", "246205007"):
            return values[0]
    return None
