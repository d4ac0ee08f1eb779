"""Compare a table with expected rows, by their order or by a key."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.checks import csv_files
from harness.checks.differences import Differences
from harness.checks.tolerance import Tolerance
from harness.common import documents
from harness.errors import CheckError

_LISTED: Final = 20


Row = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ExpectedRows:
    """What a table should have.

    Args:
        columns: that it should have, in any order.
        rows: cells by column.
        all_columns: it should have no others.
    """

    columns: Row
    rows: tuple[Mapping[str, Any], ...]
    all_columns: bool = False

    @classmethod
    def of_table(cls, columns: Row, rows: Iterable[Row], name: str) -> ExpectedRows:
        """Return the rows of a table.

        Args:
            name: of the table, for messages.

        Raises:
            CheckError: two of its columns have one name.
        """
        if repeated := _find_repeated(columns):
            raise CheckError(f"{name} has more than one column {repeated!r}")
        return cls(columns, tuple(dict(zip(columns, row, strict=True)) for row in rows), all_columns=True)

    @classmethod
    def of(cls, expected: Any, header: Row) -> ExpectedRows:
        """Return the rows that a test expects: from the path of a CSV file, dictionaries, or sequences.

        Args:
            header: columns of rows that are sequences.

        Raises:
            CheckError: the file cannot be read, or it is neither of them.
        """
        if isinstance(expected, str | Path):
            columns, *rows = _read_expected(Path(expected))
            return cls.of_table(tuple(name.strip() for name in columns), rows, str(expected))
        return _read_rows(expected, header)

    def select_columns(self, columns: Sequence[str]) -> ExpectedRows:
        """Return the rows with these columns only.

        Raises:
            CheckError: they lack one.
        """
        for name in columns:
            if name not in self.columns:
                raise CheckError(
                    f"the expected rows have no column {name!r}; they have {', '.join(map(repr, self.columns[:40]))}"
                )
        return dataclasses.replace(self, columns=tuple(columns), all_columns=False)


def compare(
    columns: Row,
    rows: Sequence[Row],
    expected: ExpectedRows,
    tolerance: Tolerance,
    differences: Differences,
    key: str | None,
) -> None:
    """Collect the differences between a table and expected rows.

    Raises:
        CheckError: the expected rows lack the key, or have one twice.
    """
    position = {name: index for index, name in enumerate(columns)}
    has = ", ".join(map(repr, columns[:40]))
    for name in expected.columns:
        if name not in position:
            differences.add(f"it has no column {name!r}; it has {has}")
    if expected.all_columns:
        for name in columns:
            if name not in expected.columns:
                differences.add(f"it has a column {name!r}, which is not expected")
    if repeated := _find_repeated(columns):
        differences.add(f"it has more than one column {repeated!r}")
    shared = [name for name in expected.columns if name in position]
    pairs = (
        _by_order(rows, expected, differences) if key is None else _by_key(columns, rows, expected, differences, key)
    )
    for where, row, wanted in pairs:
        for name in shared:
            # without a value for it a dictionary says nothing about a column
            if name in wanted and name != key:
                problem = tolerance.compare(row[position[name]], _as_cell(wanted[name]))
                differences.compare(f"{where}, column {name!r}", problem)


Pairs = Iterable[tuple[str, Sequence[str], Mapping[str, Any]]]


def _by_order(rows: Sequence[Row], expected: ExpectedRows, differences: Differences) -> Pairs:
    if len(rows) != len(expected.rows):
        differences.add(f"it has {len(rows)} rows, {len(expected.rows)} are expected")
    pairs = zip(rows, expected.rows, strict=False)
    return ((f"row {number}", row, wanted) for number, (row, wanted) in enumerate(pairs, 1))


def _by_key(columns: Row, rows: Sequence[Row], expected: ExpectedRows, differences: Differences, key: str) -> Pairs:
    wanted: dict[str, Mapping[str, Any]] = {}
    for row in expected.rows:
        if key not in row:
            raise CheckError(f"the expected rows have no column {key!r}, which is the key; they have {', '.join(row)}")
        name = str(row[key]).strip()
        if name in wanted:
            raise CheckError(f"two of the expected rows have the {key} {name!r}, which is the key")
        wanted[name] = row
    if key not in columns:
        # that it lacks the column is noted already where the column is compared
        if key not in expected.columns:
            differences.add(f"it has no column {key!r}")
        return []
    found: dict[str, tuple[int, Sequence[str]]] = {}
    index = columns.index(key)
    for number, cells in enumerate(rows, 1):
        name = cells[index].strip()
        if name in found:
            differences.add(f"rows {found[name][0]} and {number} both have the {key} {name!r}")
        found.setdefault(name, (number, cells))
    for name in wanted:
        if name not in found:
            differences.add(f"it has no row with {key} {name!r}")
    for name, (number, _) in found.items():
        if name not in wanted:
            differences.add(f"row {number} has the {key} {documents.abridge(name)}, which is not expected")
    return [
        (f"row {found[name][0]} ({key} {name!r})", found[name][1], row) for name, row in wanted.items() if name in found
    ]


def _read_rows(expected: Any, header: Row) -> ExpectedRows:
    try:
        rows = list(expected)
    except TypeError:
        raise CheckError(
            f"the expected rows are {documents.abridge(expected)}, "
            "not a list of rows, a table, or the path of a CSV file"
        ) from None
    found: list[Mapping[str, Any]] = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, Mapping):
            found.append({str(name): value for name, value in row.items()})
        elif isinstance(row, Sequence) and not isinstance(row, str | bytes):
            if len(row) != len(header):
                raise CheckError(
                    f"expected row {number} has {len(row)} cells, the table {len(header)} columns: "
                    f"{', '.join(map(repr, header[:40]))}"
                )
            found.append(dict(zip(header, row, strict=True)))
        else:
            raise CheckError(f"expected row {number} is {documents.abridge(row)}, not a dictionary or a list of cells")
    return ExpectedRows(tuple(dict.fromkeys(name for row in found for name in row)), tuple(found))


def _read_expected(path: Path) -> list[Row]:
    try:
        data = documents.read_bytes(path, most=csv_files.LARGEST_FILE)
    except documents.UnreadableError as error:
        there = sorted(item.name for item in path.parent.glob("*.csv")) if path.parent.is_dir() else []
        raise CheckError(
            f"the expected table {path} cannot be read: {error}",
            last_seen=f"CSV files in that folder: {', '.join(there[:_LISTED]) or 'none'}",
        ) from None
    return csv_files.read_rows(data, str(path))


def _find_repeated(names: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _as_cell(value: Any) -> Any:
    """Return an expected value as a cell can have it; numbers stay numbers."""
    if value is None:
        return ""
    return value if isinstance(value, numbers.Real) and not isinstance(value, bool) else str(value)
