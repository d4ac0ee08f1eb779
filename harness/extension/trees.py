"""Reading an author's source tree, which is not trusted: bounded, inside the root, YAML without objects.

Nothing here executes anything of the tree. Links are never followed while walking, and a file that is
reached through a link must be inside the root.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.common import documents
from harness.errors import ExtensionError

MAX_FILES = 20_000
MAX_DEPTH = 24
MAX_TEXT_BYTES = documents.MAX_BYTES
_SKIPPED_FOLDERS = frozenset({".git", "__pycache__", ".venv", "node_modules", ".tox", ".mypy_cache"})


def check_root(path: str | os.PathLike[str]) -> Path:
    """Return the tree's root as an absolute path.

    Raises:
        ExtensionError: there is nothing at ``path``, or it is not a folder.
    """
    try:
        root = Path(os.path.expanduser(path))
        os.stat(root)
    except (FileNotFoundError, NotADirectoryError):
        raise ExtensionError(
            f"there is no extension at {root}: the path does not exist",
            fix="give the folder that contains extension/ and processing-containers/",
        ) from None
    except (OSError, ValueError) as error:
        raise ExtensionError(
            f"the extension's folder {os.fspath(path)!r} cannot be used: {getattr(error, 'strerror', None) or error}"
        ) from None
    if not root.is_dir():
        raise ExtensionError(f"{root} is not a folder", fix="give the folder that contains extension/")
    if not os.access(root, os.R_OK | os.X_OK):
        raise ExtensionError(f"the extension's folder {root} may not be read", fix=f"chmod u+rx {root}")
    return root.resolve()


def walk(root: Path) -> Iterator[Path]:
    """Yield every regular file below ``root`` in a stable order, without links.

    Raises:
        ExtensionError: the tree has more files or is deeper than a source tree reasonably is.
    """
    count = 0
    for folder, folders, files in os.walk(root, onerror=_refuse, followlinks=False):
        here = Path(folder)
        if len(here.relative_to(root).parts) > MAX_DEPTH:
            raise ExtensionError(f"{root} is nested deeper than {MAX_DEPTH} folders: {here}")
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
        for name in sorted(files):
            path = here / name
            count += 1
            if count > MAX_FILES:
                raise ExtensionError(
                    f"{root} has more than {MAX_FILES} files; that is not the source of one extension",
                    fix="give the extension's own folder",
                )
            check_name(path)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _refuse(error: OSError) -> None:
    raise ExtensionError(f"{error.filename} cannot be read: {error.strerror}", fix="change its permissions") from None


def check_name(path: Path) -> None:
    """Check that a path can be written down: in a YAML file, in a message, in a tar file.

    Raises:
        ExtensionError: its name is not UTF-8, or has control characters.
    """
    if not str(path).isprintable():
        raise ExtensionError(
            f"{str(path.parent)!r} has a file whose name is not UTF-8 or has control characters: {path.name!r}",
            fix="rename the file",
        )


def inside(root: Path, path: Path) -> Path:
    """Return ``path`` with its links resolved.

    Raises:
        ExtensionError: it leads out of ``root``.
    """
    at = resolve(path)
    if not at.is_relative_to(root):
        raise ExtensionError(f"{path} leads out of the extension, to {at}", fix="copy the file instead")
    return at


def resolve(path: Path) -> Path:
    """Return a path without links.

    Raises:
        ExtensionError: the links lead in a circle, or it is not a path at all.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ExtensionError(f"{path} cannot be used: {getattr(error, 'strerror', None) or error}") from None


def read_text(root: Path, path: Path) -> str:
    """Return the content of a text file of the tree.

    Raises:
        ExtensionError: outside the root, no regular file, too large, unreadable or not UTF-8.
    """
    at = inside(root, path)
    try:
        return documents.read_text(at, most=MAX_TEXT_BYTES)
    except documents.DocumentError as error:
        raise ExtensionError(f"{path} cannot be read: {error}") from None


def parse_yaml(text: str, shown: str) -> Any:
    """Return the one YAML document of a text; ``None`` for an empty one.

    The platform's build script accepts at most one document (build 4.4).

    Args:
        text: the file's content.
        shown: how messages name the file.

    Raises:
        ExtensionError: more than one document, or not YAML.
    """
    try:
        found = documents.parse_yaml(text)
    except documents.DocumentError as error:
        raise ExtensionError(f"{shown} is not valid YAML", last_seen=str(error)) from None
    if len(found) > 1:
        raise ExtensionError(
            f"{shown} holds {len(found)} YAML documents; the platform reads exactly one",
            fix="remove the `---` between them",
        )
    return found[0] if found else None


def read_mapping(root: Path, path: Path) -> dict[str, Any]:
    """Return the mapping that a file of the tree holds, as :func:`parse_mapping` does."""
    return parse_mapping(read_text(root, path), str(path))


def parse_mapping(text: str, shown: str) -> dict[str, Any]:
    """Parse a text as :func:`parse_yaml` does; its document must be a mapping (empty: an empty mapping)."""
    document = parse_yaml(text, shown)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ExtensionError(f"{shown} must hold a mapping, not a {type(document).__name__}")
    return document
