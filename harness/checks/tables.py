"""Tables that a run wrote, as CSV or in a report: their rows by column, and how they compare with expected ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.checks import csv_files, questions
from harness.checks.differences import Differences
from harness.checks.table_comparison import ExpectedRows, compare
from harness.checks.tolerance import Tolerance, as_number
from harness.checks.verdict import Verdict
from harness.common import documents
from harness.errors import CheckError

Row = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table whose rows all have a cell for each column.

    Args:
        name: for messages.
        columns: the header; counted from ``1`` on in a table that has none.
        rows: the cells as text.
        file: where it stands.
    """

    name: str
    columns: Row
    rows: tuple[Row, ...] = dataclasses.field(repr=False)
    file: Path | None = dataclasses.field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Yield each row as a dictionary."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def column(self, name: str) -> list[str]:
        """Return the cells of a column.

        Raises:
            CheckError: there is no such column, or more than one.
        """
        index = self._index(name)
        return [row[index] for row in self.rows]

    def numbers(self, column: str) -> list[float]:
        """Return the cells of a column as numbers.

        Raises:
            CheckError: there is no such column, or a cell of it is not a number.
        """
        found = []
        for number, cell in enumerate(self.column(column), 1):
            value = as_number(cell)
            if value is None:
                raise CheckError(
                    f"row {number}, column {column!r} of {self.name} is not a number: {documents.abridge(cell)}",
                    evidence=self._evidence,
                )
            found.append(float(value))
        return found

    def row(self, **cells: str) -> dict[str, str]:
        """Return the one row that has these cells: ``table.row(label="liver")``.

        Raises:
            CheckError: there is no such column, or not exactly one such row.
        """
        wanted = {self._index(name): str(value) for name, value in cells.items()}
        found = [row for row in self.rows if all(row[index].strip() == value for index, value in wanted.items())]
        if len(found) != 1:
            named = ", ".join(f"{name} {value!r}" for name, value in cells.items()) or "all its cells"
            raise CheckError(
                f"{self.name} has {len(found) or 'no'} row{'s' if len(found) > 1 else ''} with {named}",
                last_seen=self._beginning,
                evidence=self._evidence,
            )
        return dict(zip(self.columns, found[0], strict=True))

    def matches(
        self,
        expected: Any,
        *,
        rel: float | None = None,
        abs: float = 0.0,
        key: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> Verdict:
        """Return whether the table has the expected rows; a no names row, column and both values.

        Args:
            expected: a table, the path of a CSV file, or rows: dictionaries, of which only the columns that they name
                are compared, or sequences.
            rel: what numbers may differ by, as a share of the expected one. Without ``rel`` and ``abs``, whole numbers
                must be equal.
            abs: what numbers may differ by.
            key: column that says which rows belong together; without it the order does.
            columns: compare these only.

        Raises:
            CheckError: the file cannot be read, the rows are none, or ``key`` or ``columns`` are not in them.
        """
        tolerance, differences = Tolerance(rel, abs), Differences(self.name, "cells")
        if isinstance(expected, Table):
            rows = ExpectedRows.of_table(expected.columns, expected.rows, expected.name)
        else:
            rows = ExpectedRows.of(expected, self.columns)
        if columns is not None:
            rows = rows.select_columns(columns)
        compare(self.columns, self.rows, rows, tolerance, differences, key)
        return questions.note_verdict(self.file, f"{self.name} matches", differences.verdict())

    def _index(self, name: str) -> int:
        found = [index for index, column in enumerate(self.columns) if column == name]
        if len(found) != 1:
            count = f"{len(found)} columns" if found else "no column"
            raise CheckError(
                f"{self.name} has {count} {name!r}; it has {', '.join(map(repr, self.columns[:40])) or 'none'}",
                evidence=self._evidence,
            )
        return found[0]

    @property
    def _evidence(self) -> str:
        return str(self.file) if self.file else ""

    @property
    def _beginning(self) -> str:
        lines = [", ".join(self.columns), *(", ".join(row) for row in self.rows[:10])]
        more = [f"... {len(self.rows) - 10} more rows"] if len(self.rows) > 10 else []
        return "\n".join([*(documents.abridge(line)[1:-1] for line in lines), *more])


def read_csv(data: bytes, name: str, *, delimiter: str | None = None, file: Path | None = None) -> Table:
    """Return the table of a CSV file; its first line is the header, empty lines do not count.

    Args:
        name: for messages.
        delimiter: between cells; by default that of comma, semicolon, tab and bar which is most frequent in the header.

    Raises:
        CheckError: the bytes are not such a table, or too many.
    """
    header, *rows = csv_files.read_rows(data, name, delimiter=delimiter, evidence=str(file) if file else "")
    return Table(name, tuple(cell.strip() for cell in header), tuple(rows), file)
