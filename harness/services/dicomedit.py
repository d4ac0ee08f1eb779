"""How short text elements of a DICOM file are set or removed without touching the rest (services 8.1)."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from harness.services.dicomfile import DicomError, Layout

CLINICAL_TRIAL_SPONSOR: Final = 0x00120010
CLINICAL_TRIAL_PROTOCOL: Final = 0x00120020


def rewrite(source: Path, target: Path, layout: Layout, values: Mapping[int, str | None]) -> None:
    """Copy a file with some short text elements of group 0012 set or removed; every other byte stays.

    Args:
        values: tag -> text, or None to remove it.
    """
    edits: list[tuple[int, int, bytes]] = []
    # a group length would be wrong afterwards; it is retired and optional
    for tag, value in sorted({0x00120000: None, **values}.items()):
        start, end = layout.spans.get(tag, (layout.insert_at(tag),) * 2)
        edits.append((start, end, b"" if value is None else _element(tag, value, layout)))
    with source.open("rb") as file, target.open("wb") as out:
        if layout.inflated is None:
            _copy(file, out, layout.body_start)
            _splice(file, out, edits)
            return
        _copy(file, out, layout.body_start)
        body = io.BytesIO()
        _splice(io.BytesIO(layout.inflated), body, edits)
        packer = zlib.compressobj(wbits=-15)
        packed = packer.compress(body.getvalue()) + packer.flush()
        out.write(packed + b"\0" * (len(packed) % 2))


def _splice(file: BinaryIO, out: BinaryIO, edits: list[tuple[int, int, bytes]]) -> None:
    position = 0
    # of two elements put at the same place the one with the smaller tag comes first: the sort is stable
    for start, end, data in sorted(edits, key=lambda edit: edit[:2]):
        if start < position:
            raise DicomError("the elements of group 0012 are not in ascending order")
        _copy(file, out, start - position)
        out.write(data)
        file.seek(end - start, os.SEEK_CUR)
        position = end
    _copy(file, out, None)


def _copy(file: BinaryIO, out: BinaryIO, count: int | None) -> None:
    while count is None or count > 0:
        chunk = file.read(1 << 20 if count is None else min(1 << 20, count))
        if not chunk:
            return
        out.write(chunk)
        if count is not None:
            count -= len(chunk)


def _element(tag: int, text: str, layout: Layout) -> bytes:
    value = text.encode("ascii", "replace")[:64]
    value += b" " * (len(value) % 2)
    head = struct.pack(layout.endian + "HH", tag >> 16, tag & 0xFFFF)
    if layout.explicit:
        return head + b"LO" + struct.pack(layout.endian + "H", len(value)) + value
    return head + struct.pack("<I", len(value)) + value
