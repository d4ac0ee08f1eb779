"""List the folders that installers copy to, by name and digest, within limits."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 64 << 20
_DIGITS: Final = 16


def listing(folders: Mapping[str, Path]) -> dict[str, Any]:
    """Return ``{"files": {path: digest}, "complete": bool}`` of the regular files below some folders.

    The digest is the beginning of a file's SHA-256 in hexadecimal digits; a file that is too large to be read for a
    list has its size instead. Files that Python compiles are skipped.

    Args:
        folders: name to folder; a path in the answer begins with the name.
    """
    found: dict[str, str] = {}
    for name, folder in folders.items():
        for path in _files(folder):
            if len(found) == _MOST_FILES:
                return {"files": found, "complete": False}
            digest = _digest(path)
            if digest:
                found[f"{name}/{path.relative_to(folder).as_posix()}"] = digest
    return {"files": found, "complete": True}


def _files(folder: Path) -> Iterator[Path]:
    # links are not followed: one may lead anywhere, or round in a circle
    for directory, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if name not in ("__pycache__", ".git"))
        yield from (Path(directory, name) for name in sorted(names))


def _digest(path: Path) -> str:
    """Return the digest of a regular file; empty if it is not a file, or was removed."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return ""
        if status.st_size > _MOST_BYTES:
            return f"{status.st_size} bytes"
        with path.open("rb") as file:
            return hashlib.sha256(file.read(_MOST_BYTES)).hexdigest()[:_DIGITS]
    except OSError:
        return ""
