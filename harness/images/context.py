"""Build contexts: what is sent to the engine, in which order, and the hash of it.

The hash decides whether anything is built at all, so it must depend on the content only: entries are sorted,
owners are dropped, times do not count.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import stat
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from harness.errors import BuildError, ImageError

_EPOCH = 946684800  # 2000-01-01: zip archives cannot hold a date before 1980
_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store"}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of a context: its content, or the path to it, or the target of a symbolic link."""

    name: str
    content: bytes | None = None
    path: Path | None = None
    link: str | None = None
    mode: int = 0o644
    mtime: int = _EPOCH
    directory: bool = False

    def read(self) -> bytes:
        """The content."""
        if self.content is not None:
            return self.content
        assert self.path is not None
        return self.path.read_bytes()


class Context:
    """The files of one build."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.name)}

    def digest(self, *more: str) -> str:
        """SHA-256 over names, kinds, modes and contents, and over ``more``."""
        state = hashlib.sha256()
        for text in more:
            state.update(f"+{len(text)}:{text}".encode())
        for entry in self.entries.values():
            kind = "d" if entry.directory else "l" if entry.link is not None else "f"
            state.update(f"{kind}{entry.mode:o}:{entry.name}\0".encode())
            if entry.link is not None:
                state.update(entry.link.encode())
            elif not entry.directory:
                content = entry.read()
                state.update(f"{len(content)}:".encode() + content)
        return state.hexdigest()

    def tar(self) -> IO[bytes]:
        """The context as an uncompressed tar archive in a temporary file, positioned at its start."""
        target = tempfile.TemporaryFile(prefix="kaapana-harness-")  # noqa: SIM115 - handed to the caller
        with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for entry in self.entries.values():
                info = tarfile.TarInfo(entry.name)
                info.mode, info.mtime = entry.mode, entry.mtime
                if entry.link is not None:
                    info.type, info.linkname = tarfile.SYMTYPE, entry.link
                    archive.addfile(info)
                elif entry.directory:
                    info.type = tarfile.DIRTYPE
                    archive.addfile(info)
                else:
                    content = entry.read()
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
        target.seek(0)
        return target


def package_entries(source: Path, target: str, *, only: Iterable[str] | None = None) -> list[Entry]:
    """Files of an installed package below ``source``, to be found below ``target`` in the context.

    Args:
        source: a folder or a file.
        target: path in the context.
        only: paths relative to ``source``; all of it by default.

    Raises:
        ImageError: something that an image needs is missing from the installation.
    """
    entries: list[Entry] = []
    for part in ("",) if only is None else only:
        path = source / part if part else source
        if not path.exists():
            raise ImageError(
                f"the installation of kaapana-harness is incomplete: {path} is missing",
                fix="install the package anew",
            )
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            relative = file.relative_to(source).as_posix() if file != source else ""
            if not file.is_file() or _LEFT_OUT.intersection(file.parts) or file.suffix == ".pyc":
                continue
            executable = file.stat().st_mode & stat.S_IXUSR
            name = f"{target}/{relative}".strip("/") if relative else target
            entries.append(Entry(name, path=file, mode=0o755 if executable else 0o644))
    return entries


def bytes_entries(files: Mapping[str, bytes], target: str = "") -> list[Entry]:
    """Files from memory."""
    return [Entry(f"{target}/{name}".strip("/"), content=content) for name, content in files.items()]


def author_context(folder: Path, dockerfile: str = "Dockerfile") -> Context:
    """The context of an author's container: the folder without what its ``.dockerignore`` names.

    Raises:
        BuildError: there is no Dockerfile, or a file cannot be read.
    """
    from docker.utils import build as docker_build

    if not (folder / dockerfile).is_file():
        raise BuildError(
            f"there is no {dockerfile} in {folder}", fix="every container of an extension needs a Dockerfile"
        )
    patterns: list[str] = []
    ignore = folder / ".dockerignore"
    if ignore.is_file():
        lines = (line.strip() for line in ignore.read_text("utf-8", "replace").splitlines())
        patterns = [line for line in lines if line and not line.startswith("#")]
    entries = []
    for name in docker_build.exclude_paths(str(folder), patterns, dockerfile=dockerfile):
        path = folder / name
        if not name or name == ".":
            continue
        status = path.lstat()
        mode, mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
        name = Path(name).as_posix()
        if stat.S_ISLNK(status.st_mode):
            entries.append(Entry(name, link=str(path.readlink()), mode=0o777, mtime=mtime))
        elif stat.S_ISDIR(status.st_mode):
            entries.append(Entry(name, directory=True, mode=mode, mtime=mtime))
        elif stat.S_ISREG(status.st_mode):
            try:
                with path.open("rb"):
                    pass
            except OSError as error:
                raise BuildError(f"{path} cannot be read: {error.strerror}", fix="mend its permissions") from None
            entries.append(Entry(name, path=path, mode=mode, mtime=mtime))
    return Context(entries)
