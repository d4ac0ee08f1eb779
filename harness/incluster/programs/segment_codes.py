"""Codes for segment labels: the lookup of Itk2DcmSegOperator's program (operators 4.3).

The table ``segment_codes.tsv`` has the rows designator, value, meaning. It is made from the context groups for
anatomic regions and common tissues as pydicom has them (DICOM PS3.16), not from the platform's own file:
``python -m harness.incluster.programs.segment_codes`` regenerates it. Which row the later stages find depends on the
order of rows, so only exact names give the same code as the platform.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).with_suffix(".tsv")
# Anatomic Region; CT, MR and PET Anatomy Imaged; Common Anatomic Region; XA/XRF Anatomy Imaged; Common Tissue
_CONTEXT_GROUPS = (4, 4030, 4031, 4042, 7166)


@dataclass(frozen=True)
class Code:
    """A coded concept: coding scheme designator and value."""

    designator: str
    value: str


CUSTOM = Code("Custom", "0.0.0.0.0.0.00000.0.000.0.00")


@dataclass(frozen=True)
class _Row:
    code: Code
    meaning: str  # lower case, '-' as blank
    body_part: str  # lower case, as in Body Part Examined: no blanks


@cache
def _rows() -> tuple[_Row, ...]:
    rows = []
    for line in _TABLE.read_text("utf-8").splitlines():
        designator, value, meaning = line.split("\t")
        plain = meaning.lower().replace("-", " ")
        rows.append(_Row(Code(designator, value), plain, plain.replace(" ", "")))
    return tuple(rows)


def search_key(label: str) -> str:
    """Return the search key of a label: the text after the last ``@``, in lower case."""
    return label.rpartition("@")[2].lower()


def look_up(label: str) -> Code:
    """Return the code of a label; every stage takes the first matching row of the table, or ``CUSTOM``."""
    key = search_key(label).replace("-", " ").strip()
    words = key.split()
    if not words:
        return CUSTOM
    stages: tuple[Callable[[_Row], bool], ...] = (
        lambda row: key in (row.meaning, row.body_part),
        lambda row: key in row.meaning or key in row.body_part,
        lambda row: any(word in (row.meaning, row.body_part) for word in words),
        lambda row: any(word in row.meaning or word in row.body_part for word in words),
    )
    for stage in stages:
        for row in _rows():
            if stage(row):
                return row.code
    return CUSTOM


def generate() -> str:
    """Return the table's text, from the concepts of the installed pydicom; anatomy first, then tissues, by meaning."""
    from pydicom.sr import _cid_dict, _concepts_dict

    cid_concepts: Any = _cid_dict.cid_concepts
    concepts: Any = _concepts_dict.concepts
    lines: dict[str, None] = {}
    for groups in (_CONTEXT_GROUPS[:-1], _CONTEXT_GROUPS[-1:]):
        found = set()
        for group in groups:
            for designator, keywords in cid_concepts[group].items():
                for keyword in keywords:
                    for value, (meaning, of_groups) in concepts[designator][keyword].items():
                        if group in of_groups:
                            found.add((meaning.lower(), designator, value, meaning))
        lines.update(dict.fromkeys("\t".join(row[1:]) for row in sorted(found)))
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    _TABLE.write_text(generate(), "utf-8")
