"""Resolve paths below a folder that pods can write to, without following links or leaving it.

Every component is opened relative to the one before it, without following links, so that what is found was below
the folder when it was found. The engine resolves the path once more when it mounts it, so what it has mounted is
compared afterwards (``mounted``).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness.incluster.controlplane.errors import NotReadyError

_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ANYTHING: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def resolve(root: Path, relative: str) -> Path | None:
    """Find a file or folder below a root, or return ``None``.

    Args:
        root: an existing folder with a path that no pod can change.
        relative: the path below it; leading slashes do not count.

    Raises:
        NotReadyError: the path leads over a link or upwards, or ends at something that is neither file nor folder.
    """
    with _walk(root, relative, make=None) as (folder, last):
        return None if folder is None else _open_last(root, relative, folder, last)


def make_folder(root: Path, relative: str, mode: int) -> Path:
    """Find a folder below a root, and make it and those above it where they are not there.

    Args:
        mode: of the last folder, if it is made.

    Raises:
        NotReadyError: as :func:`resolve`.
    """
    with _walk(root, relative, make=0o755) as (folder, last):
        assert folder is not None
        if last:
            _make(folder, last, mode)
        return _expect(_open_last(root, relative, folder, last), relative)


def make_file(root: Path, relative: str) -> Path:
    """Find a file below a root, and make it, empty, where it is not there.

    Raises:
        NotReadyError: as :func:`resolve`.
    """
    with _walk(root, relative, make=0o755) as (folder, last):
        assert folder is not None
        with contextlib.suppress(FileExistsError):
            os.close(os.open(last or ".", os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder))
        return _expect(_open_last(root, relative, folder, last), relative)


@contextlib.contextmanager
def _walk(root: Path, relative: str, *, make: int | None) -> Iterator[tuple[int | None, str]]:
    """Yield the opened folder that holds the last component, and the component's name (empty: the root itself)."""
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise NotReadyError(f"{relative!r} leads upwards")
    try:
        folder: int | None = os.open(root, _FOLDER)
    except OSError as error:
        raise NotReadyError(f"the volume is not there any more: {error.strerror}") from error
    try:
        for part in parts[:-1]:
            assert folder is not None
            if make is not None:
                _make(folder, part, make)
            inner = _open_folder(folder, part, relative)
            os.close(folder)
            folder = inner
            if folder is None:
                if make is not None:
                    raise NotReadyError(f"{relative!r} has been removed meanwhile")
                break
        yield folder, parts[-1] if parts else ""
    finally:
        if folder is not None:
            os.close(folder)


def _open_folder(parent: int, name: str, relative: str) -> int | None:
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        return None
    except OSError as error:
        # ELOOP or ENOTDIR: a link or a file
        raise NotReadyError(f"{relative!r}: {name!r} is a link or no folder, and links are not followed") from error


def _make(parent: int, name: str, mode: int) -> None:
    try:
        os.mkdir(name, mode, dir_fd=parent)
    except FileExistsError:
        return
    # mkdir's own mode is subject to the umask
    opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.fchmod(opened, mode)
    finally:
        os.close(opened)


def _open_last(root: Path, relative: str, folder: int, last: str) -> Path | None:
    try:
        opened = os.open(last or ".", _ANYTHING, dir_fd=folder)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(opened)
    finally:
        os.close(opened)
    if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
        raise NotReadyError(f"{relative!r} is a link, or neither a file nor a folder: it cannot be mounted")
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    return root.joinpath(*parts)


def _expect(found: Path | None, relative: str) -> Path:
    if found is None:
        raise NotReadyError(f"{relative!r} has been removed meanwhile")
    return found
