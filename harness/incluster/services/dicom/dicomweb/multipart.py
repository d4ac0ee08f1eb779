"""multipart/related: streamed out of the archive, and taken apart into files when something is stored."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from harness.incluster.services.config import Limits
from harness.incluster.services.web import error

_CHUNK = 1 << 20
_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,70})"?', re.IGNORECASE)


def dicom_type(boundary: str) -> str:
    """Return the content type of a multipart answer with DICOM parts (services 7.3)."""
    return f'multipart/related; type="application/dicom"; boundary={boundary}'


def new_boundary() -> str:
    """Return a boundary that no object contains by chance."""
    return f"kaapana-harness-{uuid.uuid4().hex}"


def dicom_parts(paths: list[Path], boundary: str) -> Iterator[bytes]:
    """Yield the body: one part per file, read in pieces."""
    for path in paths:
        with path.open("rb") as file:
            yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
            while chunk := file.read(_CHUNK):
                yield chunk
            yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")


async def receive_parts(request: Request, folder: Path, limits: Limits) -> list[Path]:
    """Write the parts of a multipart/related request into files named by number.

    Raises:
        HTTPException: 415 without boundary, 400 for a body that is not multipart or is cut, 413 when too long.
    """
    content_type = request.headers.get("content-type", "")
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/related") or found is None:
        raise error(415, "expected Content-Type: multipart/related; type=application/dicom; boundary=...")
    parts = _Parts(found.group(1), folder, limits)
    try:
        async for chunk in _pieces(request):
            await run_in_threadpool(parts.write, chunk)
        parts.finish()
    finally:
        parts.close()
    return parts.paths


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """Yield the body in pieces of about a megabyte: one hop to a thread for each, not for every network read."""
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        if len(waiting) >= _CHUNK:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


class _Parts:
    """Callbacks of the parser; part files are opened and closed as parts begin and end."""

    def __init__(self, boundary: str, folder: Path, limits: Limits) -> None:
        from python_multipart.multipart import MultipartParser

        self.paths: list[Path] = []
        self._folder = folder
        self._limits = limits
        self._file: BinaryIO | None = None
        self._total = 0
        self._size = 0
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def write(self, chunk: bytes) -> None:
        from python_multipart.exceptions import MultipartParseError

        self._total += len(chunk)
        if self._total > self._limits.upload_bytes:
            raise error(413, f"the body is longer than {self._limits.upload_bytes} bytes")
        try:
            self._parser.write(chunk)
        except MultipartParseError as problem:
            raise error(400, f"the body is not multipart: {problem}") from None

    def finish(self) -> None:
        if not self._ended:
            raise error(400, "the multipart body is truncated: the closing boundary is missing")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        if len(self.paths) >= self._limits.zip_entries:
            raise error(413, f"more than {self._limits.zip_entries} parts")
        path = self._folder / f"{len(self.paths)}.dcm"
        self.paths.append(path)
        self._size = 0
        self._file = path.open("wb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self._limits.object_bytes:
            raise error(413, f"a part is longer than {self._limits.object_bytes} bytes")
        if self._file is not None:
            self._file.write(data[start:end])

    def _end(self) -> None:
        self.close()

    def _finish(self) -> None:
        self._ended = True
