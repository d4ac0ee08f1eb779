"""Coded concepts, and what a test may name a region by: its text, or a code of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeAlias

from pydicom.sr.coding import Code

Label: TypeAlias = "str | tuple[str, str] | Code"
"""Label of a region or meaning of its code; ``(scheme, value)`` of the code; or a code of ``pydicom.sr.codedict``."""


@dataclasses.dataclass(frozen=True)
class Region:
    """A segment of a SEG, or a structure of an RT structure set.

    Attributes:
        number: as the object numbers it.
        label: Segment Label or ROI Name.
        codes: what it is, most telling first: of a segment its property type, then its anatomic region.
        category: coded category of a segment.
        algorithm: ``AUTOMATIC``, ``SEMIAUTOMATIC`` or ``MANUAL``; of a structure its generation algorithm.
    """

    number: int
    label: str
    codes: tuple[Code, ...] = ()
    category: Code | None = None
    algorithm: str = ""

    def __str__(self) -> str:
        codes = ", ".join(f"{code.scheme_designator} {code.value} {code.meaning!r}" for code in self.codes)
        return f"{self.label!r}{f' ({codes})' if codes else ''}"


def read_codes(sequence: Any) -> tuple[Code, ...]:
    """Return the complete codes of a sequence."""
    found = []
    for item in sequence or ():
        value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
        if value:
            scheme = str(item.get("CodingSchemeDesignator", ""))
            found.append(Code(str(value), scheme, str(item.get("CodeMeaning", ""))))
    return tuple(found)


def describe_label(label: Label) -> str:
    """Return a label as an author wrote it."""
    if isinstance(label, Code):
        return f"{label.scheme_designator} {label.value} {label.meaning!r}"
    return repr(label) if isinstance(label, str) else " ".join(label)


def find_regions(regions: Iterable[Region], label: Label) -> list[Region]:
    """Return the regions that a label names: the first that fits of text, text in any case, and codes.

    SNOMED codes of the old scheme ``SRT`` equal those of ``SCT``.
    """
    known = list(regions)
    if isinstance(label, str):
        text = label.casefold()
        return (
            [region for region in known if region.label == label]
            or [region for region in known if region.label.casefold() == text]
            or _first_by_code(known, lambda code: code.meaning.casefold() == text)
        )
    if not isinstance(label, Code):
        scheme, value = label
        label = Code(value, scheme, "")
    return _first_by_code(known, lambda code: code == label)


def _first_by_code(regions: list[Region], fits: Any) -> list[Region]:
    """Return the regions whose first code fits; if none does, those with any code that fits."""
    return [region for region in regions if region.codes and fits(region.codes[0])] or [
        region for region in regions if any(map(fits, region.codes))
    ]
