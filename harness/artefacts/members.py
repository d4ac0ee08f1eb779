"""Read a tar file of unknown origin by its headers: where each member is, and where its links lead."""

from __future__ import annotations

import contextlib
import io
import json
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harness.artefacts.model import ArchiveError
from harness.common.documents import abridge_text

BLOCK = 1 << 20
"""Bytes that are in memory at a time while a member is read."""
_HEADER = 512
_LARGEST_HEADER = 1 << 20
_LARGEST_DOCUMENT = 8 << 20
_LARGEST_DOCUMENTS = 256 << 20
_MOST_MEMBERS = 100_000
# as the kernel does
_MOST_LINKS = 40
_MAGICS = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
    b"\xfd7zXZ\x00": ("xz", "unxz"),
    b"BZh": ("bzip2", "bunzip2"),
}


class Member(NamedTuple):
    """A file in the tar file: its name, where its bytes begin and how many they are."""

    name: str
    offset: int
    size: int


class _Headers(io.BufferedReader):
    """The file as tarfile reads it. An extended header states its own length, so it may not be a large one.

    Newer versions of tarfile read such a header in pieces, older ones in one.
    """

    _extended = 0

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = _LARGEST_HEADER + 1 if size is None or size < 0 else size
        self._extended = 0 if wanted == _HEADER else self._extended + wanted
        if self._extended > _LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of more than {_LARGEST_HEADER >> 20} MiB")
        return super().read(size)


class Members:
    """The members of a tar file. Nothing but headers is read for it.

    Args:
        path: of the file.

    Raises:
        ArchiveError: it is not there, no regular file, no tar file, compressed, cut off or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, ...] = ()
        # the target of a link is a name
        self._entries: dict[str, Member | str] = {}
        self._sparse: set[str] = set()
        self._documents = 0
        with self._open() as file:
            status = os.fstat(file.fileno())
            self._identity = _identity(status)
            self._check_start(file.read(6))
            try:
                self._index(file, status.st_size)
            except ArchiveError:
                raise
            except Exception as error:  # tarfile raises errors of any kind for a damaged header
                raise ArchiveError(f"{path} is a damaged tar file: {abridge_text(str(error))}") from None

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def find(self, name: str) -> Member | None:
        """Return the file of this name, or the one that a link of this name leads to.

        Raises:
            ArchiveError: the links lead in a circle or out of the archive, or the file is stored with holes.
        """
        at, passed = posixpath.normpath(name), 0
        while isinstance(entry := self._entries.get(at), str):
            passed += 1
            if passed > _MOST_LINKS:
                raise ArchiveError(f"{self.path}: {abridge_text(name)} is a link that leads in a circle")
            if entry == ".." or entry.startswith(("/", "../")):
                raise ArchiveError(
                    f"{self.path}: {abridge_text(name)} is a link out of the archive, to {abridge_text(entry)}"
                )
            at = entry
        if at in self._sparse:
            raise ArchiveError(
                f"{self.path}: {abridge_text(at)} is stored with holes", fix="pack without `tar --sparse`"
            )
        return entry

    def read(self, member: Member) -> bytes:
        """Return all bytes of a small member.

        Raises:
            ArchiveError: it is larger than any document of an image is, all that were read are (one may be named a
                thousand times), or the file has changed.
        """
        if member.size > _LARGEST_DOCUMENT:
            raise ArchiveError(
                f"{self.path}: {abridge_text(member.name)} has {member.size} bytes, a document has at most "
                f"{_LARGEST_DOCUMENT >> 20} MiB"
            )
        self._documents += member.size
        if self._documents > _LARGEST_DOCUMENTS:
            raise ArchiveError(f"{self.path}: its documents have more than {_LARGEST_DOCUMENTS >> 20} MiB together")
        return b"".join(self.blocks(member))

    def document(self, member: Member) -> Any:
        """Return a member as JSON.

        Raises:
            ArchiveError: it is not JSON, or as in :meth:`read`.
        """
        return self.parse(member, self.read(member))

    def parse(self, member: Member, data: bytes) -> Any:
        """Return the bytes of a member as JSON.

        Raises:
            ArchiveError: they are not.
        """
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ArchiveError(
                f"{self.path}: {abridge_text(member.name)} is not JSON: {abridge_text(str(error))}"
            ) from None

    def blocks(self, member: Member) -> Iterator[bytes]:
        """Yield the bytes of a member, at most :data:`BLOCK` at a time.

        Raises:
            ArchiveError: the file has changed since it was opened.
        """
        with self._open() as file:
            if _identity(os.fstat(file.fileno())) != self._identity:
                raise ArchiveError(f"{self.path} changed while it was read")
            file.seek(member.offset)
            left = member.size
            while left:
                block = file.read(min(BLOCK, left))
                if not block:
                    raise ArchiveError(f"{self.path} changed while it was read: it is shorter now")
                left -= len(block)
                yield block

    @contextlib.contextmanager
    def _open(self) -> Iterator[io.BufferedReader]:
        try:
            mode = self.path.stat().st_mode
            if not stat.S_ISREG(mode):
                raise ArchiveError(f"{self.path} is not an archive of images: it is {_kind(mode)}")
            # what takes the place of the file after the look at it must not block either
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise ArchiveError(f"there is no file {self.path}") from None
        except (OSError, ValueError) as error:
            raise ArchiveError(f"{self.path} cannot be opened: {getattr(error, 'strerror', None) or error}") from None
        with open(descriptor, "rb") as file:
            try:
                yield file
            except OSError as error:
                raise ArchiveError(f"{self.path} cannot be read: {error.strerror or error}") from None

    def _check_start(self, start: bytes) -> None:
        if not start:
            raise ArchiveError(f"{self.path} is not an archive of images: it is empty")
        for magic, (compression, program) in _MAGICS.items():
            if start.startswith(magic):
                raise ArchiveError(
                    f"{self.path} is compressed with {compression}; the platform imports uncompressed archives",
                    fix=f"unpack it: `{program} -c {self.path.name} > images.tar`",
                )

    def _index(self, file: io.BufferedReader, size: int) -> None:
        with _Headers(io.FileIO(file.fileno(), closefd=False)) as headers:
            headers.seek(0)
            try:
                tar = tarfile.open(fileobj=headers, mode="r:", errors="surrogateescape")  # noqa: SIM115 - closed below
            except tarfile.ReadError:
                raise ArchiveError(f"{self.path} is not an archive of images: it is not a tar file") from None
            with tar:
                reached = -1
                count = 0
                # Python 3.10 cannot be asked for the next member of an archive without any
                empty = tar.firstmember is None  # type: ignore[attr-defined] # not documented
                while not empty and (info := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined] # they would pile up
                    count += 1
                    if count > _MOST_MEMBERS:
                        raise ArchiveError(f"{self.path} has more than {_MOST_MEMBERS} members")
                    if info.offset_data <= reached or info.size < 0:
                        raise ArchiveError(f"{self.path} is a damaged tar file: a header leads back")
                    reached = info.offset_data
                    if tar.offset > size:
                        raise self._cut_off_error(f"in the middle of {abridge_text(info.name)}")
                    self._add(info)
                headers.seek(tar.offset)
                end = headers.read(_HEADER)
        if len(end) < _HEADER:
            raise self._cut_off_error("without the marks of its end")
        if any(end):
            raise ArchiveError(f"{self.path} is a damaged tar file: no header at byte {tar.offset}")

    def _add(self, info: tarfile.TarInfo) -> None:
        name = posixpath.normpath(info.name)
        self._sparse.discard(name)
        self._entries.pop(name, None)
        if info.issym():
            self._entries[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), info.linkname))
        elif info.islnk():
            self._entries[name] = posixpath.normpath(info.linkname)
        elif info.isreg():
            self._entries[name] = Member(name, info.offset_data, info.size)
            if info.issparse():
                self._sparse.add(name)

    def _cut_off_error(self, where: str) -> ArchiveError:
        return ArchiveError(f"{self.path} is cut off: it ends {where}", fix="copy or save it once more")


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _kind(mode: int) -> str:
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((words for is_kind, words in kinds if is_kind(mode)), "no regular file")
