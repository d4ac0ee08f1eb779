"""Set or remove short text elements of a DICOM file without touching the rest (services 8.1)."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from harness.incluster.services.dicom import dicomfile
from harness.incluster.services.dicom.dicomfile import DicomError, Layout

CLINICAL_TRIAL_SPONSOR: Final = 0x00120010
CLINICAL_TRIAL_PROTOCOL: Final = 0x00120020


class _Writable(Protocol):
    def write(self, data: bytes, /) -> object: ...


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
    with target.open("wb") as out:
        with source.open("rb") as head:
            _copy(head, out, layout.body_start)
        with dicomfile.open_body(source, layout.body_start, deflated=layout.deflated) as body:
            if layout.deflated:
                packed = _Packer(out)
                _splice(body, packed, edits)
                packed.finish()
            else:
                _splice(body, out, edits)


class _Packer:
    """Deflates what is written to it, to an even number of bytes."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._packer = zlib.compressobj(wbits=-15)
        self._length = 0

    def write(self, data: bytes) -> None:
        self._put(self._packer.compress(data))

    def finish(self) -> None:
        self._put(self._packer.flush())
        self._put(b"\0" * (self._length % 2))

    def _put(self, packed: bytes) -> None:
        self._length += len(packed)
        self._out.write(packed)


def _splice(file: BinaryIO, out: _Writable, edits: list[tuple[int, int, bytes]]) -> None:
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


def _copy(file: BinaryIO, out: _Writable, count: int | None) -> None:
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
