"""Read an untrusted CSV file within bounds."""

from __future__ import annotations

import csv
import io
from typing import Final

from harness.common import documents
from harness.errors import CheckError

LARGEST_FILE: Final = 64 << 20
MOST_CELLS: Final = 2_000_000
_DELIMITERS: Final = ",;\t|"


def read_rows(data: bytes, name: str, *, delimiter: str | None = None, evidence: str = "") -> list[tuple[str, ...]]:
    """Return the rows of a CSV file, the header first; all have as many cells, and empty lines do not count.

    Args:
        name: for messages.
        delimiter: between cells; by default that of comma, semicolon, tab and bar which is most frequent in the header.
        evidence: where the file is.

    Raises:
        CheckError: the bytes are not such a table, or too many.
    """

    def refuse(why: str) -> CheckError:
        return CheckError(f"{name} cannot be read as CSV: {why}", evidence=evidence)

    if len(data) > LARGEST_FILE:
        raise refuse(f"it is larger than {LARGEST_FILE >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(f"it is not UTF-8 text: {error.reason} at byte {error.start}") from None
    if delimiter is None:
        first = text.lstrip("\r\n").partition("\n")[0]
        delimiter = max(_DELIMITERS, key=first.count)
    elif len(delimiter) != 1:
        raise refuse(f"the delimiter {documents.abridge(delimiter)} is not one character")
    rows: list[tuple[str, ...]] = []
    cells = 0
    # the line ends within quotes are the reader's own business
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if not row:
                continue
            if rows and len(row) != len(rows[0]):
                raise refuse(f"line {reader.line_num} has {len(row)} cells, the header {len(rows[0])}")
            rows.append(tuple(row))
            cells += len(row)
            if cells > MOST_CELLS:
                raise refuse(f"it has more than {MOST_CELLS} cells")
    except csv.Error as error:
        raise refuse(f"{error} (line {reader.line_num})") from None
    if not rows:
        raise refuse("it is empty")
    return rows
