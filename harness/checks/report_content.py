"""The content of a structured report as a list of items, each with what is around it (PS3.3 C.17.3)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Final

from pydicom.sr.coding import Code

from harness.checks.codes import read_codes
from harness.checks.dicom_files import read_items, read_text
from harness.errors import CheckError

MOST_ITEMS: Final = 50_000
DEEPEST: Final = 64

_VALUES: Final = {
    "TEXT": "TextValue",
    "DATE": "Date",
    "TIME": "Time",
    "DATETIME": "DateTime",
    "UIDREF": "UID",
    "PNAME": "PersonName",
}


@dataclasses.dataclass(frozen=True)
class ContentItem:
    """An item of a structured report.

    Attributes:
        kind: its value type, e.g. ``TEXT``, ``NUM``, ``CODE``, ``CONTAINER``.
        concept: what it says something about.
        value: what it says, as text; of a code its meaning, of a reference the SOP instance UID.
        code: of an item that is a code.
        units: of a number.
        parents: the items around it, the outermost first.
    """

    kind: str
    concept: Code | None
    value: str
    code: Code | None = None
    units: Code | None = None
    parents: tuple[ContentItem, ...] = dataclasses.field(default=(), repr=False, compare=False)

    @property
    def name(self) -> str:
        """Meaning of its concept; its kind where it has none."""
        return self.concept.meaning if self.concept else self.kind.lower()

    @property
    def place(self) -> str:
        """Names of the items around it."""
        return " > ".join(item.name for item in self.parents) or "the report"

    @property
    def number(self) -> float:
        """The value of a number.

        Raises:
            CheckError: it has none, or one that is not a number.
        """
        try:
            found = float(self.value)
        except ValueError:
            found = math.nan
        if self.kind != "NUM" or not math.isfinite(found):
            raise CheckError(f"{self.name!r} in {self.place} has the value {self.value[:80]!r}, which is not a number")
        return found

    def __str__(self) -> str:
        unit = f" {self.units.value}" if self.units and self.units.value != "1" else ""
        return f"{self.name}: {self.value}{unit}" if self.value else self.name


def read_content(dataset: Any, name: str) -> tuple[ContentItem, list[ContentItem]]:
    """Return the root, and all items below it, each before those within it.

    Args:
        name: of the report, for messages.

    Raises:
        CheckError: there are too many, or they stand within one another too often.
    """
    root = ContentItem("CONTAINER", _first(dataset, "ConceptNameCodeSequence"), "")
    found: list[ContentItem] = []
    waiting: list[tuple[Any, tuple[ContentItem, ...]]] = []
    waiting += [(item, (root,)) for item in read_items(dataset, "ContentSequence")][::-1]
    while waiting:
        item, parents = waiting.pop()
        if len(found) == MOST_ITEMS:
            raise CheckError(f"{name} has more than {MOST_ITEMS} content items")
        if len(parents) > DEEPEST:
            raise CheckError(f"{name} has content items that are nested deeper than {DEEPEST} levels")
        read = _read(item, parents)
        found.append(read)
        waiting += [(inner, (*parents, read)) for inner in read_items(item, "ContentSequence")][::-1]
    return root, found


def _read(item: Any, parents: tuple[ContentItem, ...]) -> ContentItem:
    kind = read_text(item, "ValueType") or "ITEM"
    code = _first(item, "ConceptCodeSequence") if kind == "CODE" else None
    units, value = None, ""
    if kind == "NUM":
        measured = next(iter(read_items(item, "MeasuredValueSequence")), None)
        if measured is not None:
            units = _first(measured, "MeasurementUnitsCodeSequence")
            # the exact value, where the decimal string had no room for it
            value = read_text(measured, "FloatingPointValue") or read_text(measured, "NumericValue")
    elif kind in _VALUES:
        value = read_text(item, _VALUES[kind])
    elif code is not None:
        value = code.meaning
    else:
        referenced = next(iter(read_items(item, "ReferencedSOPSequence")), None)
        value = read_text(referenced, "ReferencedSOPInstanceUID") if referenced is not None else ""
    return ContentItem(kind, _first(item, "ConceptNameCodeSequence"), value.strip(), code, units, parents)


def _first(dataset: Any, keyword: str) -> Code | None:
    return next(iter(read_codes(read_items(dataset, keyword))), None)
