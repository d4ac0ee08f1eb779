"""The rows of the sheets in ``docs/contract``: what a table of tests has to answer for.

A row is a row of a table, an item of a numbered list or a bullet. It is called by its first words.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

CONTRACT = Path(__file__).parents[2] / "docs/contract"
FILES = {"runtime": "workflow-runtime.md", "operators": "operators.md"}
_HEADING = re.compile(r"^(#{2,4}) (\d+(?:\.\d+)*)\.? ")
_NUMBERED = re.compile(r"^(\d+)\. (.*)")


@dataclasses.dataclass(frozen=True)
class SheetRow:
    """A row of a sheet: ``section`` as it is cited, ``text`` without Markdown."""

    section: str
    text: str

    @property
    def name(self) -> str:
        """The first cell of a row of a table; the whole text of others."""
        return self.text.split(" | ", 1)[0]


def rows_of(sheet: str, sections: tuple[str, ...]) -> list[SheetRow]:
    """Return the rows of sections and of those below them, in their order.

    Args:
        sheet: short name, e.g. ``runtime``.
        sections: numbers, e.g. ``5``.
    """
    return [
        SheetRow(f"{sheet} {section}", text)
        for section, text in _rows(sheet)
        if any(section == wanted or section.startswith(f"{wanted}.") for wanted in sections)
    ]


def _rows(sheet: str) -> Iterator[tuple[str, str]]:
    section, in_table = "", False
    for line in (CONTRACT / FILES[sheet]).read_text("utf-8").splitlines():
        if heading := _HEADING.match(line):
            section, in_table = heading[2], False
        elif line.startswith("|"):
            # the first line of a table is its header, the second a rule
            if in_table and not line.startswith("|---"):
                yield section, plain(" | ".join(_cells(line)))
            in_table = True
        else:
            in_table = False
            if numbered := _NUMBERED.match(line):
                yield section, plain(f"{numbered[1]}. {numbered[2]}")
            elif line.startswith("- "):
                yield section, plain(line[2:])


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def plain(text: str) -> str:
    """Return a text of Markdown without its marks."""
    return re.sub(r"\s+", " ", text.replace("`", "").replace("**", "")).strip()
