"""Make safe file names from names of the platform, always inside one folder."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

_UNSAFE = re.compile(r"[^A-Za-z0-9._@=+,-]+")
_LONGEST = 120


def safe_name(text: str) -> str:
    """Return one path component of letters, digits and ``._@=+,-``, not empty or hidden, of at most 120 characters."""
    name = _UNSAFE.sub("_", text).lstrip(".")
    if len(name) > _LONGEST:
        # the end carries the extension, which decides how a file is opened
        name = name[: _LONGEST - 41] + "-" + name[-40:]
    return name or "_"


def find_unused(parent: Path, name: str, given: Collection[Path] = ()) -> Path:
    """Return a path below ``parent`` that does not exist and is not among ``given``: ``<name>-1``, ``<name>-2``, ..."""
    number = 1
    while (folder := parent / f"{safe_name(name)}-{number}").exists() or folder in given:
        number += 1
    return folder


class Folder:
    """Hands out paths below ``root``; two different names never get the same path."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._taken: set[str] = set()

    def place(self, area: str, name: str) -> tuple[str, Path]:
        """Return a free path for ``name`` below ``area``, as (relative with ``/``, absolute); parents are created.

        Args:
            area: ``sent``, ``objects`` or ``logs``.
            name: any text; ``/`` separates folders, everything that could leave the folder is replaced.
        """
        parts = [safe_name(part) for part in name.split("/") if part not in {"", ".", ".."}] or ["_"]
        relative = PurePosixPath(area, *parts)
        candidate, number = relative, 1
        # compared without case, for file systems that ignore it
        while str(candidate).casefold() in self._taken:
            number += 1
            candidate = relative.with_name(f"{relative.stem}-{number}{relative.suffix}")
        # a name that is a folder elsewhere ("a" and "a/b") must not become a file
        for parent in [candidate, *candidate.parents]:
            self._taken.add(str(parent).casefold())
        path = self.root.joinpath(*candidate.parts)
        if any(parent.is_file() for parent in path.parents):
            return self.place(area, "__".join(parts))
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(candidate), path
