"""Check by lengths alone that the pixel data of a file is complete."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

_UNDEFINED = 0xFFFFFFFF
_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
# FloatPixelData, DoubleFloatPixelData, PixelData
_PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
# transfer syntaxes of MPEG2, MPEG-4 and HEVC, fragmentable or not
_FILMS = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))


def find_pixel_problem(stream: BinaryIO, dataset: FileDataset) -> str | None:
    """Check the pixel data that starts at the stream's position, and return its problem.

    Args:
        stream: positioned where pydicom stopped before the pixel data.
        dataset: the attributes before it.

    Returns:
        ``None`` where the data is whole, otherwise a short text with the lengths; ``no pixel data`` where
        the file has none.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    size = os.fstat(stream.fileno()).st_size
    order = "<" if syntax.is_little_endian else ">"
    head = stream.read(8)
    if len(head) < 8:
        return "no pixel data"
    group, element = struct.unpack(order + "HH", head[:4])
    if (group << 16 | element) not in _PIXEL_TAGS:
        return "no pixel data"
    raw_length = head[4:] if syntax.is_implicit_VR else stream.read(4)
    if len(raw_length) < 4:
        return "ends inside the header of its pixel data"
    (length,) = struct.unpack(order + "L", raw_length)
    frames = _frames(dataset)
    if length == _UNDEFINED:
        # a film is one stream, however many frames it has
        return _fragment_problem(stream, size, 1 if syntax.startswith(_FILMS) else frames)
    left = size - stream.tell()
    if left < length:
        return f"pixel data is cut off: {left} of {length} bytes"
    expected = _expected_bytes(dataset, element, frames)
    if length < expected:
        return f"pixel data is too short: {length} bytes where the image needs {expected}"
    return None


def find_unpacked_problem(dataset: FileDataset) -> str | None:
    """Check pixel data that pydicom has unpacked; see :func:`find_pixel_problem`."""
    tag = next((tag for tag in _PIXEL_TAGS if tag in dataset), None)
    if tag is None:
        return "no pixel data"
    length, expected = len(dataset[tag].value or b""), _expected_bytes(dataset, tag & 0xFFFF, _frames(dataset))
    return f"pixel data is too short: {length} bytes where the image needs {expected}" if length < expected else None


def _frames(dataset: FileDataset) -> int:
    return int(dataset.get("NumberOfFrames") or 1)


def _expected_bytes(dataset: FileDataset, element: int, frames: int) -> int:
    bits = {0x0008: 32, 0x0009: 64}.get(element) or int(dataset.BitsAllocated)
    samples = int(dataset.get("SamplesPerPixel") or 1)
    pixels = int(dataset.Rows) * int(dataset.Columns) * samples * frames
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        pixels = pixels * 2 // 3
    return (pixels * bits + 7) // 8


def _fragment_problem(stream: BinaryIO, size: int, frames: int) -> str | None:
    """Walk the fragments of encapsulated pixel data (always little endian); the first is the offset table."""
    fragments = -1
    while True:
        head = stream.read(8)
        if len(head) < 8:
            return "compressed pixel data is cut off"
        group, element, length = struct.unpack("<HHL", head)
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            break
        if tag != _ITEM:
            return "compressed pixel data is damaged"
        if stream.tell() + length > size:
            return "compressed pixel data is cut off"
        stream.seek(length, os.SEEK_CUR)
        fragments += 1
    if fragments < frames:
        return f"compressed pixel data has {max(fragments, 0)} fragments for {frames} frames"
    return None
