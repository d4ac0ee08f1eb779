"""Tables of an HTML report as rows, found by what their reader sees: caption, heading or header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from harness.checks.csv_files import MOST_CELLS
from harness.checks.html_documents import HIDDEN
from harness.checks.tables import Table
from harness.errors import CheckError

_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
# as browsers do it
_WIDEST_SPAN, _TALLEST_SPAN = 1000, 65534


def read_tables(root: Any, name: str, file: Path | None = None) -> list[tuple[Table, str]]:
    """Return the tables of a document in its order, each with the heading that it stands below.

    Args:
        root: element of lxml.
        name: of the document, for messages.

    Raises:
        CheckError: the document has too many cells.
    """
    found: list[tuple[Table, str]] = []
    heading, room = "", MOST_CELLS
    for element in root.iter():
        if element.tag in _HEADINGS:
            # pages of notebooks and of documentation have a sign there that links to the heading
            heading = read_text(element).rstrip("\N{PILCROW SIGN} ")
        if element.tag != "table":
            continue
        caption = next((read_text(child) for child in element if child.tag == "caption"), "")
        grid, head = _read_grid(element, room, name)
        room -= sum(map(len, grid))
        width = max(map(len, grid), default=0)
        if len(grid) * width > MOST_CELLS:
            raise _too_many(name)
        rows = [(*row, *[""] * (width - len(row))) for row in grid]
        columns = _join_header(rows[:head]) if head else tuple(str(number + 1) for number in range(width))
        title = caption or heading or f"number {len(found) + 1}"
        found.append((Table(f"table {title!r} of {name}", columns, tuple(rows[head:]), file), caption or heading))
    return found


def find_table(tables: Sequence[tuple[Table, str]], wanted: str, name: str, evidence: str) -> Table:
    """Return the one table with this caption, or below this heading, or with such a column.

    Raises:
        CheckError: none or several; the message lists all tables.
    """
    text = " ".join(wanted.split()).casefold()
    titled = [table for table, title in tables if title.casefold() == text]
    headed = [table for table, _ in tables if text in (column.casefold() for column in table.columns)]
    found = titled or headed
    if len(found) == 1:
        return found[0]
    listed = "\n".join(
        f"{title or 'without caption'}: {len(table)} rows of {', '.join(table.columns[:20])}" for table, title in tables
    )
    count = f"{len(found)} tables" if found else "no table"
    raise CheckError(f"{name} has {count} {wanted!r}", last_seen=listed or "it has no table", evidence=evidence)


def read_text(element: Any) -> str:
    """Return the words that a reader sees of an element, in one line."""
    return " ".join("".join(_parts(element)).split())


def _parts(element: Any) -> Iterator[str]:
    from lxml import etree

    hidden: Any = None
    for event, node in etree.iterwalk(element, events=("start", "end")):
        if event == "start":
            if hidden is None and (node.tag in HIDDEN or not isinstance(node.tag, str)):
                hidden = node
            if hidden is None:
                yield " " if node.tag in {"br", "p", "div", "li"} else ""
                yield node.text or ""
        else:
            if hidden is node:
                hidden = None
            if hidden is None and node is not element:
                yield node.tail or ""


class _Spans:
    """The cells of rows above that reach into the next ones."""

    def __init__(self) -> None:
        self._now: dict[int, tuple[str, int]] = {}
        self._next: dict[int, tuple[str, int]] = {}

    def begin_row(self) -> None:
        self._now, self._next = self._next, {}

    def fill(self, cells: list[str]) -> None:
        """Add the cells that stand where the row is now."""
        while len(cells) in self._now:
            text, left = self._now[len(cells)]
            self.add(len(cells), text, left)
            cells.append(text)

    def add(self, column: int, text: str, rows: int) -> None:
        """Add a cell that spans so many rows, this one included."""
        if rows > 1:
            self._next[column] = (text, rows - 1)


def _read_grid(table: Any, room: int, name: str) -> tuple[list[list[str]], int]:
    """Return the cells with those that span several rows or columns repeated, and how many rows are header."""
    grid: list[list[str]] = []
    spans = _Spans()
    head, only_head = 0, True
    for row in _rows(table):
        own = [cell for cell in row if cell.tag in {"td", "th"}]
        if not own:
            continue
        cells: list[str] = []
        spans.begin_row()
        for cell in own:
            spans.fill(cells)
            text = read_text(cell)
            down = _span(cell, "rowspan", _TALLEST_SPAN)
            for _ in range(_span(cell, "colspan", _WIDEST_SPAN)):
                spans.add(len(cells), text, down)
                cells.append(text)
        spans.fill(cells)
        room -= len(cells)
        if room < 0:
            raise _too_many(name)
        only_head = only_head and (row.getparent().tag == "thead" or all(cell.tag == "th" for cell in own))
        head += only_head
        grid.append(cells)
    return grid, head


def _too_many(name: str) -> CheckError:
    return CheckError(f"the tables of {name} have more than {MOST_CELLS} cells")


def _rows(table: Any) -> Iterator[Any]:
    """Yield the table's own rows; those of a table within a cell are not among them."""
    for child in table:
        if child.tag == "tr":
            yield child
        elif child.tag in {"thead", "tbody", "tfoot"}:
            yield from (row for row in child if row.tag == "tr")


def _span(cell: Any, name: str, most: int) -> int:
    text = str(cell.get(name, "1")).strip()
    return min(max(int(text), 1), most) if text.isascii() and text.isdigit() and len(text) < 8 else 1


def _join_header(rows: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return one name for each column; that of a header of several rows has the words of all."""
    return tuple(" ".join(dict.fromkeys(filter(None, column))) for column in zip(*rows, strict=True))
