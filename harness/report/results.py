"""Objects that the run stored in the bucket, shown as table, document, picture, text, or link."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.common import documents
from harness.report import frames, text
from harness.run.stored_objects import StoredObject

LARGEST_PICTURE: Final = 2_000_000
LARGEST_TOGETHER: Final = 8_000_000
"""Bytes of stored objects in one page; the others are linked."""

_LARGEST_TEXT: Final = 400_000
_ROWS, _COLUMNS, _LONGEST_CELL = 200, 40, 500
_LARGEST_AREA: Final = 40_000_000
_PICTURES: Final = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}


@dataclasses.dataclass(frozen=True)
class ShownTable:
    """A CSV file."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True)
class ShownResult:
    """An object of the bucket as the page shows it: at most one of the views is there.

    Args:
        item: the object.
        link: to the copy in the evidence.
        kind: its kind, in words.
        left_out: why nothing, or not all of it, is shown.
        table: a CSV file.
        json: a JSON document, indented.
        picture: an image, as an address that holds it.
        frame: an HTML document for a frame.
    """

    item: StoredObject
    link: str
    kind: str = "file"
    left_out: str = ""
    table: ShownTable | None = None
    json: str | None = None
    picture: str | None = None
    frame: str | None = None


def read(directory: Path, objects: Sequence[StoredObject]) -> list[ShownResult]:
    """Return the objects, those on the platform's results page first."""
    found, room = [], LARGEST_TOGETHER
    for item in sorted(objects, key=lambda item: not item.visible_in_results):
        result = ShownResult(item, text.link_to(item.path))
        path = text.find_inside(directory, item.path)
        if path is None:
            result = dataclasses.replace(result, left_out="its copy is no longer in the evidence")
        elif path.stat().st_size > room:
            result = dataclasses.replace(result, left_out="the page has too many of them already: open the file")
        else:
            result = _view(result, path)
        room -= sum(len(part) for part in (result.frame, result.picture, result.json) if part)
        found.append(result)
    return found


def _view(result: ShownResult, path: Path) -> ShownResult:
    ending = path.suffix.lower()
    with path.open("rb") as file:
        beginning = file.read(64)
    if beginning.startswith(b"%PDF-"):
        return dataclasses.replace(result, kind="PDF")
    if ending in {".html", ".htm"}:
        return _document(result, path)
    if ending == ".csv":
        return _table(result, path)
    if ending == ".json":
        return _json(result, path)
    if ending in {".png", ".jpg", ".jpeg", ".gif", ".webp"}:
        return _picture(result, path)
    return result


def _document(result: ShownResult, path: Path) -> ShownResult:
    result = dataclasses.replace(result, kind="HTML report")
    if path.stat().st_size > frames.LARGEST:
        return dataclasses.replace(result, left_out=f"it has {text.format_size(path.stat().st_size)}: open the file")
    markup = frames.make_passive(path.read_bytes())
    if markup is None:
        return dataclasses.replace(result, left_out="it cannot be read as HTML")
    return dataclasses.replace(result, frame=markup)


def _table(result: ShownResult, path: Path) -> ShownResult:
    result = dataclasses.replace(result, kind="table (CSV)")
    with path.open("rb") as file:
        content = file.read(_LARGEST_TEXT).decode("utf-8-sig", "replace")
    whole = path.stat().st_size <= _LARGEST_TEXT
    first = content.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    rows: list[tuple[str, ...]] = []
    wide = False
    try:
        for row in csv.reader(io.StringIO(content), delimiter=delimiter):
            wide = wide or len(row) > _COLUMNS
            rows.append(tuple(text.abbreviate(cell, _LONGEST_CELL) for cell in row[:_COLUMNS]))
            if len(rows) > _ROWS:
                break
    except csv.Error as error:
        return dataclasses.replace(result, left_out=f"it cannot be read as CSV: {error}")
    if not rows:
        return dataclasses.replace(result, left_out="it is empty")
    left_out = []
    if not whole or len(rows) > _ROWS:
        left_out.append(f"the first {min(len(rows) - 1, _ROWS)} rows are shown")
    if wide:
        left_out.append(f"the first {_COLUMNS} columns are shown")
    return dataclasses.replace(
        result, left_out="; ".join(left_out), table=ShownTable(rows[0], tuple(rows[1 : _ROWS + 1]))
    )


def _json(result: ShownResult, path: Path) -> ShownResult:
    result = dataclasses.replace(result, kind="JSON")
    if path.stat().st_size > _LARGEST_TEXT:
        return dataclasses.replace(result, left_out=f"it has {text.format_size(path.stat().st_size)}: open the file")
    try:
        document = documents.parse_json(path.read_bytes())
    except (documents.DocumentError, ValueError) as error:
        return dataclasses.replace(result, left_out=f"it cannot be read as JSON: {error}")
    return dataclasses.replace(result, json=json.dumps(document, indent=2, ensure_ascii=False))


def _picture(result: ShownResult, path: Path) -> ShownResult:
    from PIL import Image

    result = dataclasses.replace(result, kind="picture")
    if path.stat().st_size > LARGEST_PICTURE:
        return dataclasses.replace(result, left_out=f"it has {text.format_size(path.stat().st_size)}: open the file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # reads the head of the file only: how large it will be decides whether a browser should decode it
            with Image.open(path, formats=tuple(_PICTURES)) as image:
                kind, (width, height) = _PICTURES[str(image.format)], image.size
    except Image.DecompressionBombError:
        return dataclasses.replace(result, left_out="it has too many pixels: open the file")
    except (OSError, ValueError) as error:
        return dataclasses.replace(result, left_out=f"it cannot be read as a picture: {type(error).__name__}")
    if width * height > _LARGEST_AREA:
        return dataclasses.replace(result, left_out=f"it has {width} x {height} pixels: open the file")
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    return dataclasses.replace(result, picture=f"data:{kind};base64,{encoded}", kind=f"picture, {width} x {height}")
