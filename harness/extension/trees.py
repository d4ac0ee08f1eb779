"""Reading an author's source tree, which is not trusted: bounded, inside the root, YAML without objects.

Nothing here executes anything of the tree. Links are never followed while walking, and a file that is
reached through a link must lie inside the root.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ExtensionError

MAX_FILES = 20_000
MAX_DEPTH = 24
MAX_TEXT_BYTES = 2 * 1024 * 1024
_SKIPPED_FOLDERS = frozenset({".git", "__pycache__", ".venv", "node_modules", ".tox", ".mypy_cache"})


def check_root(path: str | os.PathLike[str]) -> Path:
    """The tree's root as an absolute path.

    Raises:
        ExtensionError: there is nothing at ``path``, or it is not a folder.
    """
    root = Path(path).expanduser()
    if not root.exists():
        raise ExtensionError(
            f"there is no extension at {root}: the path does not exist",
            fix="give the folder that contains extension/ and processing-containers/",
        )
    if not root.is_dir():
        raise ExtensionError(f"{root} is not a folder", fix="give the folder that contains extension/")
    return root.resolve()


def walk(root: Path) -> Iterator[Path]:
    """Every regular file below ``root`` in a stable order; links are left out.

    Raises:
        ExtensionError: the tree has more files or is deeper than a source tree reasonably is.
    """
    count = 0
    for folder, folders, files in os.walk(root, followlinks=False):
        here = Path(folder)
        if len(here.relative_to(root).parts) > MAX_DEPTH:
            raise ExtensionError(f"{root} is nested deeper than {MAX_DEPTH} folders: {here}")
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
        for name in sorted(files):
            path = here / name
            if path.is_symlink() or not path.is_file():
                continue
            count += 1
            if count > MAX_FILES:
                raise ExtensionError(
                    f"{root} has more than {MAX_FILES} files; that is not the source of one extension",
                    fix="give the extension's own folder",
                )
            yield path


def inside(root: Path, path: Path) -> Path:
    """``path`` with its links resolved.

    Raises:
        ExtensionError: it leads out of ``root``.
    """
    resolved = path.resolve()
    if not resolved.is_relative_to(root):
        raise ExtensionError(f"{path} leads out of the extension, to {resolved}", fix="copy the file instead")
    return resolved


def read_text(root: Path, path: Path) -> str:
    """Content of a text file of the tree.

    Raises:
        ExtensionError: outside the root, too large, unreadable or not UTF-8.
    """
    resolved = inside(root, path)
    try:
        if resolved.stat().st_size > MAX_TEXT_BYTES:
            raise ExtensionError(f"{path} is larger than {MAX_TEXT_BYTES // 1024} KiB")
        return resolved.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ExtensionError(f"{path} is not UTF-8 text: {error}") from None
    except OSError as error:
        raise ExtensionError(f"{path} cannot be read: {error.strerror}") from None


class _BoundedLoader(yaml.SafeLoader):
    """The safe loader; aliases are limited, because a small file must not grow to gigabytes."""

    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            self.aliases += 1
            if self.aliases > 100:
                raise yaml.YAMLError("more than 100 aliases")
        return super().compose_node(parent, index)


def read_yaml(root: Path, path: Path) -> Any:
    """Return the one YAML document of a file of the tree; ``None`` for an empty one.

    Raises:
        ExtensionError: more than one document, or not YAML.
    """
    return parse_yaml(read_text(root, path), str(path))


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
        documents = list(yaml.load_all(text, Loader=_BoundedLoader))
    except yaml.YAMLError as error:
        raise ExtensionError(f"{shown} is not valid YAML", last_seen=str(error)) from None
    except RecursionError:
        raise ExtensionError(f"{shown} is nested too deeply") from None
    if len(documents) > 1:
        raise ExtensionError(
            f"{shown} holds {len(documents)} YAML documents; the platform reads exactly one",
            fix="remove the `---` between them",
        )
    return documents[0] if documents else None


def read_mapping(root: Path, path: Path) -> dict[str, Any]:
    """Like :func:`read_yaml`, for a file whose document must be a mapping (empty: an empty mapping)."""
    return parse_mapping(read_text(root, path), str(path))


def parse_mapping(text: str, shown: str) -> dict[str, Any]:
    """Like :func:`parse_yaml`, for a document that must be a mapping (empty: an empty mapping)."""
    document = parse_yaml(text, shown)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ExtensionError(f"{shown} must hold a mapping, not a {type(document).__name__}")
    return document
