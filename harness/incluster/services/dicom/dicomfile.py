"""Check the structure of DICOM files from callers, and locate their elements.

Everything that comes in is untrusted. A parser that is built for tolerance reads a cut file without a word, so
the structure is walked here first: lengths are checked, nesting and number of elements bounded.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import struct
import tempfile
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from harness.incluster.services.dicom import charsets

_IMPLICIT: Final = "1.2.840.10008.1.2"
_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
# the dataset is packed (DICOM PS3.5 A.5); pydicom knows this of the first one, the others refer to their pixels by URL
_DEFLATED_EXPLICIT: Final = "1.2.840.10008.1.2.1.99"
_DEFLATED: Final = frozenset({_DEFLATED_EXPLICIT, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
_LONG_VRS: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_UNDEFINED: Final = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA: Final = 0x7FE00010
_MAX_DEPTH: Final = 64
_MAX_ELEMENTS: Final = 5_000_000
_MAX_TOP_LEVEL: Final = 65_536
# zeros shrink to a thousandth: the size that a small file may always reach, and the factor for a larger one
_INFLATED_FLOOR: Final = 64 << 20
_INFLATED_RATIO: Final = 50
_MAX_INFLATED: Final = 512 << 20
_CHUNK: Final = 1 << 20
# values that are longer are bulk data, and not read
_LONG_VALUE: Final = 1 << 16
_MAX_UID_ELEMENT: Final = 12 + 128
# in the order of Identifiers
_UID_TAGS: Final = {
    "SOPClassUID": 0x00080016,
    "SOPInstanceUID": 0x00080018,
    "SeriesInstanceUID": 0x0020000E,
    "StudyInstanceUID": 0x0020000D,
}
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")


class DicomError(Exception):
    """The file is not DICOM, is cut, or lacks what makes it an object of a series."""


class Identifiers(NamedTuple):
    """The UIDs of an object; each is a legal file name."""

    sop_class: str
    sop_instance: str
    series: str
    study: str


@dataclasses.dataclass(frozen=True)
class Layout:
    """Positions of the top-level elements in the (inflated) body.

    Attributes:
        transfer_syntax: UID from the file meta information.
        body_start: byte at which the dataset begins in the file.
        spans: tag -> (start, end) of every top-level element, relative to the body.
        order: (tag, start) in the order of the file, the body's end last.
    """

    transfer_syntax: str
    body_start: int
    spans: Mapping[int, tuple[int, int]]
    order: list[tuple[int, int]]

    @property
    def deflated(self) -> bool:
        """Whether the body is packed."""
        return self.transfer_syntax in _DEFLATED

    @property
    def explicit(self) -> bool:
        """Whether elements carry their VR."""
        return self.transfer_syntax != _IMPLICIT

    @property
    def endian(self) -> str:
        """Byte order for ``struct``."""
        return ">" if self.transfer_syntax == _BIG_ENDIAN else "<"

    def insert_at(self, tag: int) -> int:
        """Return the offset in the body of the first element behind ``tag``, or of the body's end."""
        return next(start for existing, start in self.order if existing > tag)


def is_uid(text: object) -> bool:
    """Return whether this is a UID, and so a harmless file name (digits and single dots, at most 64 characters)."""
    return isinstance(text, str) and len(text) <= 64 and _UID.fullmatch(text) is not None


def scan(path: Path) -> Layout:
    """Walk the structure of a DICOM file.

    Raises:
        DicomError: no DICM marker, a length beyond the end, nesting without end; says where.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(132)
        if len(head) < 132 or head[128:] != b"DICM":
            raise DicomError(f"not a DICOM file: no DICM marker at byte 128 ({size} bytes long)")
        syntax = _transfer_syntax(file, size)
        start = file.tell()
    with open_body(path, start, deflated=syntax in _DEFLATED) as body:
        base = body.tell()
        end = body.seek(0, os.SEEK_END)
        body.seek(base)
        endian = ">" if syntax == _BIG_ENDIAN else "<"
        order = _Walker(body, endian).walk(base, end, explicit=syntax != _IMPLICIT)
    order.append((1 << 32, end - base))
    spans = {tag: (at, order[index + 1][1]) for index, (tag, at) in enumerate(order[:-1])}
    return Layout(syntax, start, spans, order)


@contextlib.contextmanager
def open_body(path: Path, start: int, *, deflated: bool) -> Iterator[BinaryIO]:
    """Open a file at its dataset; a deflated one is unpacked into a temporary file beside it.

    Args:
        start: byte at which the dataset begins.

    Raises:
        DicomError: it cannot be unpacked, or becomes larger than a real object of its size.
    """
    with path.open("rb") as file:
        file.seek(start)
        if not deflated:
            yield file
            return
        with tempfile.TemporaryFile(dir=path.parent) as unpacked:
            _inflate(file, unpacked, path.stat().st_size)
            unpacked.seek(0)
            yield unpacked


# pydicom unpacks in memory: one at a time
_UNPACKING = threading.Lock()


def read_header(path: Path, tags: Sequence[int] | None = None) -> Any:
    """Return the pydicom dataset of a file that was scanned, without its bulk data.

    Args:
        tags: the elements to read, all by default.

    Raises:
        DicomError: pydicom cannot read it.
    """
    import pydicom

    wanted: list[Any] | None = None if tags is None else list(tags)
    try:
        with path.open("rb") as file:
            file.seek(132)
            syntax, start = _transfer_syntax(file, path.stat().st_size), file.tell()
        if syntax in _DEFLATED - {_DEFLATED_EXPLICIT}:
            with open_body(path, start, deflated=True) as body:
                return charsets.correct(
                    pydicom.dcmread(body, force=True, stop_before_pixels=True, specific_tags=wanted)
                )
        with _UNPACKING if syntax == _DEFLATED_EXPLICIT else contextlib.nullcontext():
            return charsets.correct(
                pydicom.dcmread(path, stop_before_pixels=True, specific_tags=wanted, defer_size=_LONG_VALUE)
            )
    except (DicomError, OSError):
        raise
    except Exception as problem:  # pydicom raises many kinds on broken values
        raise DicomError(f"the dataset cannot be read: {type(problem).__name__}: {problem}") from None


def identifiers(path: Path, layout: Layout) -> Identifiers:
    """Return the UIDs of a file that was scanned, read where the scan found them.

    Raises:
        DicomError: one of them is missing or is not a UID.
    """
    found: dict[str, str] = {}
    with open_body(path, layout.body_start, deflated=layout.deflated) as body:
        base = body.tell()
        for name, tag in _UID_TAGS.items():
            start, end = layout.spans.get(tag, (0, 0))
            body.seek(base + start)
            element = body.read(min(end - start, _MAX_UID_ELEMENT))
            head = 12 if layout.explicit and element[4:6] in _LONG_VRS else 8
            text = element[head:].rstrip(b"\0 ").decode("latin-1")
            if not is_uid(text):
                raise DicomError(f"{name} is {f'not a UID: {text[:80]!r}' if text else 'missing'}")
            found[name] = text
    return Identifiers(*found.values())


def _transfer_syntax(file: BinaryIO, size: int) -> str:
    """Read group 0002 (always explicit, little endian); leaves the file at the dataset."""
    syntax = ""
    while True:
        at = file.tell()
        head = file.read(8)
        if len(head) < 8 or head[:2] != b"\x02\x00":
            file.seek(at)
            break
        if head[4:6] in _LONG_VRS:
            length = struct.unpack("<I", _read_exactly(file, 4, at))[0]
        else:
            length = struct.unpack("<H", head[6:8])[0]
        if file.tell() + length > size:
            raise DicomError(_cut(0x00020000 | struct.unpack("<H", head[2:4])[0], at, length, size - file.tell()))
        value = file.read(length)
        if head[2:4] == b"\x10\x00":
            syntax = value.rstrip(b"\0 ").decode("ascii", "replace")
    if not is_uid(syntax):
        raise DicomError("the file meta information names no transfer syntax")
    return syntax


def _inflate(source: BinaryIO, target: BinaryIO, size: int) -> None:
    allowed = min(_MAX_INFLATED, max(_INFLATED_FLOOR, size * _INFLATED_RATIO))
    unpacker = zlib.decompressobj(wbits=-15)
    length = 0
    while not unpacker.eof:
        packed = unpacker.unconsumed_tail or source.read(_CHUNK)
        if not packed:
            raise DicomError("the file is truncated: the deflated dataset does not end")
        try:
            chunk = unpacker.decompress(packed, _CHUNK)
        except zlib.error as problem:
            raise DicomError(f"the deflated dataset cannot be inflated: {problem}") from None
        length += len(chunk)
        if length > allowed:
            raise DicomError(f"the deflated dataset of {size} bytes becomes longer than {allowed} bytes")
        target.write(chunk)


def _read_exactly(file: BinaryIO, count: int, at: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise DicomError(f"the file is truncated: it ends inside an element that begins at byte {at}")
    return data


def _cut(tag: int, at: int, length: int, left: int) -> str:
    return (
        f"the file is truncated: element ({tag >> 16:04X},{tag & 0xFFFF:04X}) at byte {at} "
        f"has {length} bytes, {left} are left"
    )


class _Level(NamedTuple):
    """One open level of nesting: ``end`` is None until a delimiter; ``limit`` is the innermost known end."""

    kind: str
    end: int | None
    limit: int
    explicit: bool


class _Walker:
    """Walks over elements without recursion; descends only where a length is undefined."""

    def __init__(self, file: BinaryIO, endian: str) -> None:
        self._file = file
        self._endian = endian

    def walk(self, base: int, end: int, *, explicit: bool) -> list[tuple[int, int]]:
        """Return (tag, offset from base) of the top-level elements in order."""
        top: list[tuple[int, int]] = []
        stack = [_Level("dataset", end, end, explicit)]
        count = 0
        while stack:
            level = stack[-1]
            at = self._file.tell()
            if level.end is not None and at >= level.end:
                stack.pop()
                continue
            count += 1
            if count > _MAX_ELEMENTS or len(top) > _MAX_TOP_LEVEL or len(stack) > _MAX_DEPTH:
                raise DicomError("the file has more elements, or deeper nesting, than any real object")
            if at + 8 > level.limit:
                raise DicomError(f"the file is truncated: {level.limit - at} bytes are left at byte {at}")
            group, element = struct.unpack(self._endian + "HH", _read_exactly(self._file, 4, at))
            tag = group << 16 | element
            if len(stack) == 1:
                top.append((tag, at - base))
            if group == 0xFFFE:
                self._delimiter(stack, tag, at)
            elif level.kind != "dataset":
                raise DicomError(f"byte {at}: expected an item, found ({group:04X},{element:04X})")
            else:
                self._element(stack, tag, at)
        return top

    def _delimiter(self, stack: list[_Level], tag: int, at: int) -> None:
        level = stack[-1]
        length = struct.unpack(self._endian + "I", _read_exactly(self._file, 4, at))[0]
        if tag == _ITEM and level.kind != "dataset":
            if length == _UNDEFINED and level.kind == "items":
                stack.append(_Level("dataset", None, level.limit, level.explicit))
            else:
                self._skip(tag, at, length, level.limit)
        elif level.end is None and tag == (_ITEM_END if level.kind == "dataset" else _SEQUENCE_END):
            stack.pop()
        else:
            raise DicomError(f"byte {at}: a delimiter (FFFE,{tag & 0xFFFF:04X}) stands where none belongs")

    def _element(self, stack: list[_Level], tag: int, at: int) -> None:
        level = stack[-1]
        explicit = level.explicit
        vr = b""
        if explicit:
            vr = _read_exactly(self._file, 2, at)
            if not (vr.isalpha() and vr.isupper()):
                raise DicomError(f"byte {at}: element ({tag >> 16:04X},{tag & 0xFFFF:04X}) has no VR but {vr!r}")
            if vr in _LONG_VRS:
                _read_exactly(self._file, 2, at)
                length = struct.unpack(self._endian + "I", _read_exactly(self._file, 4, at))[0]
            else:
                length = struct.unpack(self._endian + "H", _read_exactly(self._file, 2, at))[0]
        else:
            length = struct.unpack(self._endian + "I", _read_exactly(self._file, 4, at))[0]
        if length != _UNDEFINED:
            self._skip(tag, at, length, level.limit)
        elif tag == _PIXEL_DATA or vr in {b"OB", b"OW"}:
            stack.append(_Level("fragments", None, level.limit, explicit))
        elif vr in {b"SQ", b"UN", b""}:
            # an UN of undefined length is a sequence in implicit VR (DICOM PS3.5 6.2.2)
            stack.append(_Level("items", None, level.limit, explicit and vr == b"SQ"))
        else:
            raise DicomError(f"byte {at}: a length may not be undefined for VR {vr.decode()}")

    def _skip(self, tag: int, at: int, length: int, limit: int) -> None:
        here = self._file.tell()
        if length == _UNDEFINED or here + length > limit:
            raise DicomError(_cut(tag, at, length, limit - here))
        self._file.seek(length, os.SEEK_CUR)
