"""Build contexts: the files for the engine, their order, and their hash.

The hash decides whether anything is built at all, so it must depend on the content only: entries are sorted,
owners are dropped, times do not count.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import re
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from harness.common import documents
from harness.errors import BuildError, ImageError

_EPOCH = 946684800  # 2000-01-01: zip archives cannot hold a date before 1980
_BLOCK = 1 << 20
_MOST_FILES = 100_000
_STARS = re.compile(r"\*+")
_MOST_STARS = 3
_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store"}


@dataclasses.dataclass(frozen=True)
class ContextEntry:
    """One file of a context: its content, or the path to it, or the target of a symbolic link."""

    name: str
    content: bytes | None = None
    path: Path | None = None
    link: str | None = None
    mode: int = 0o644
    mtime: int = _EPOCH
    directory: bool = False

    def read(self) -> bytes:
        """Return the content, for a small file."""
        return b"".join(self.blocks()[1])

    def blocks(self) -> tuple[int, Iterator[bytes]]:
        """Return the size of the content, and the content in blocks.

        Raises:
            BuildError: the file cannot be read, or (from the iterator) changes its length.
        """
        if self.content is not None:
            return len(self.content), iter((self.content,))
        assert self.path is not None, self.name
        return _read_blocks(self.path)


class Context:
    """The files of one build."""

    def __init__(self, entries: Iterable[ContextEntry]) -> None:
        self.entries = {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.name)}

    def digest(self, *more: str) -> str:
        """Return a SHA-256 over names, kinds, modes and contents, and over ``more``."""
        state = hashlib.sha256()
        for text in more:
            state.update(f"+{len(text)}:{text}".encode())
        for entry in self.entries.values():
            kind = "d" if entry.directory else "l" if entry.link is not None else "f"
            state.update(f"{kind}{entry.mode:o}:{entry.name}\0".encode())
            if entry.link is not None:
                state.update(entry.link.encode())
            elif not entry.directory:
                size, blocks = entry.blocks()
                state.update(f"{size}:".encode())
                for block in blocks:
                    state.update(block)
        return state.hexdigest()

    def tar(self) -> IO[bytes]:
        """Return the context as uncompressed tar, made while it is read: never whole in memory or on disk."""
        return io.BufferedReader(_Stream(self._archive()), _BLOCK)

    def _archive(self) -> Iterator[bytes]:
        for entry in self.entries.values():
            info = tarfile.TarInfo(entry.name)
            info.mode, info.mtime = entry.mode, entry.mtime
            if entry.link is not None:
                info.type, info.linkname = tarfile.SYMTYPE, entry.link
            elif entry.directory:
                info.type = tarfile.DIRTYPE
            else:
                info.size, blocks = entry.blocks()
                yield info.tobuf(tarfile.PAX_FORMAT)
                yield from blocks
                yield bytes(-info.size % tarfile.BLOCKSIZE)
                continue
            yield info.tobuf(tarfile.PAX_FORMAT)
        yield bytes(2 * tarfile.BLOCKSIZE)


class _Stream(io.RawIOBase):
    """Blocks of bytes as a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = memoryview(block)
        taken = self._left[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)


def _read_blocks(path: Path) -> tuple[int, Iterator[bytes]]:
    try:
        # a pipe that replaced the file since the check must not block
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        file = open(descriptor, "rb")  # noqa: SIM115 - closed by the iterator
        status = os.fstat(descriptor)
    except OSError as error:
        raise BuildError(f"{path} cannot be read: {error.strerror}", fix="change its permissions") from None
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise BuildError(f"{path} is not a regular file any more", fix="build again")
    return status.st_size, _in_blocks(path, file, status.st_size)


def _in_blocks(path: Path, file: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    with file:
        while block := file.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                break
            yield block
    if left:
        raise BuildError(f"{path} changed while it was read", fix="build again when nothing writes to it")


def make_package_entries(source: Path, target: str, *, only: Iterable[str] | None = None) -> list[ContextEntry]:
    """Return the files of an installed package below ``source`` as entries below ``target``.

    Args:
        source: a folder or a file.
        target: path in the context.
        only: paths relative to ``source``; all of it by default.

    Raises:
        ImageError: something that an image needs is missing from the installation.
    """
    entries: list[ContextEntry] = []
    for part in ("",) if only is None else only:
        path = source / part if part else source
        if not path.exists():
            raise ImageError(
                f"the installation of kaapana-harness is incomplete: {path} is missing",
                fix="reinstall the package",
            )
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            relative = file.relative_to(source).as_posix() if file != source else ""
            if not file.is_file() or _LEFT_OUT.intersection(file.parts) or file.suffix == ".pyc":
                continue
            executable = file.stat().st_mode & stat.S_IXUSR
            name = f"{target}/{relative}".strip("/") if relative else target
            entries.append(ContextEntry(name, path=file, mode=0o755 if executable else 0o644))
    return entries


def make_bytes_entries(files: Mapping[str, bytes], target: str = "") -> list[ContextEntry]:
    """Return entries of files in memory."""
    return [ContextEntry(f"{target}/{name}".strip("/"), content=content) for name, content in files.items()]


def check_utf8(path: Path) -> None:
    """Check that a path is UTF-8, as names in a build context are.

    Raises:
        BuildError: it is not.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise BuildError(f"the name of {path!s} is not UTF-8", fix="rename the file") from None


def _read_ignore_file(file: Path) -> list[str]:
    """Read the patterns of a ``.dockerignore``. None may be slow, because they become regular expressions of Python."""
    try:
        text = documents.read_bytes(file).decode("utf-8", "replace")
    except documents.DocumentError as error:
        raise BuildError(f"{file} cannot be read: {error}") from None
    patterns = []
    for number, line in enumerate(text.splitlines(), 1):
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        if any(len(_STARS.findall(part)) > _MOST_STARS for part in pattern.split("/")) or pattern.count("**") > 4:
            raise BuildError(
                f"{file} line {number}: {documents.abridge(pattern)} has more wildcards than a pattern needs",
                fix=f"use at most {_MOST_STARS} stars in a name, and at most 4 times **",
            )
        patterns.append(pattern)
    return patterns


def find_ignore_file(folder: Path, dockerfile: str = "Dockerfile") -> Path | None:
    """Return the file with the patterns of what the builder leaves out of a context, ``None`` without one.

    One that is named after the Dockerfile (``Dockerfile.dockerignore``) is read in place of ``.dockerignore``, as by
    BuildKit.
    """
    named = (folder / f"{dockerfile}.dockerignore", folder / ".dockerignore")
    return next((file for file in named if file.is_file()), None)


def list_author_names(folder: Path, dockerfile: str = "Dockerfile") -> set[str]:
    """Return the names of what the builder takes of a folder: files, folders and links, without ignored ones.

    Raises:
        BuildError: the patterns cannot be read or used.
    """
    from docker.utils import build as docker_build

    ignore = find_ignore_file(folder, dockerfile)
    patterns = [] if ignore is None else _read_ignore_file(ignore)
    try:
        names = docker_build.exclude_paths(str(folder), patterns, dockerfile=dockerfile)
    except (re.error, OSError, ValueError, IndexError, RecursionError) as error:
        raise BuildError(f"{ignore or folder} cannot be used: {error}", fix="correct its patterns") from None
    return {name for name in names if name and name != "."}


def make_author_context(folder: Path, dockerfile: str = "Dockerfile") -> Context:
    """Return the context of an author's container: the folder without what its ``.dockerignore`` names.

    Raises:
        BuildError: there is no Dockerfile, or a file cannot be read.
    """
    if not (folder / dockerfile).is_file():
        raise BuildError(
            f"there is no {dockerfile} in {folder}", fix="every container of an extension needs a Dockerfile"
        )
    entries: list[ContextEntry] = []
    for name in list_author_names(folder, dockerfile):
        path = folder / name
        if len(entries) >= _MOST_FILES:
            raise BuildError(
                f"{folder} has more than {_MOST_FILES} files for its image",
                fix="name those in .dockerignore that the image does not need",
            )
        check_utf8(path)
        try:
            status = path.lstat()
        except OSError as error:
            raise BuildError(f"{path} cannot be read: {error.strerror}", fix="build again") from None
        mode, mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
        name = Path(name).as_posix()
        if stat.S_ISLNK(status.st_mode):
            entries.append(ContextEntry(name, link=str(path.readlink()), mode=0o777, mtime=mtime))
        elif stat.S_ISDIR(status.st_mode):
            entries.append(ContextEntry(name, directory=True, mode=mode, mtime=mtime))
        elif stat.S_ISREG(status.st_mode):
            if not os.access(path, os.R_OK):
                raise BuildError(f"{path} cannot be read: Permission denied", fix="change its permissions")
            entries.append(ContextEntry(name, path=path, mode=mode, mtime=mtime))
    return Context(entries)
