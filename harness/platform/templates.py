"""The names that the templates of a packaged chart mention, those of its sub-charts included."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from pathlib import Path, PurePosixPath

# far above what any chart has; Helm itself stops at 100 MiB
_MAX_BYTES = 32 * 2**20
_MAX_DEPTH = 4
_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
_YAML_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
# .name, and texts: what `index`, `get`, `dig` and `tpl` are given
_NAME = re.compile(r"\.([A-Za-z_]\w*)|([\"'`])(.*?)\2", re.DOTALL)


def mentioned_names(package: Path) -> frozenset[str] | None:
    """Return every field name and text in the actions (``{{ ... }}``) of a package's files, comments left out.

    All files count, because ``tpl`` may read any of them, apart from those that are only written for people.

    Args:
        package: a chart as ``.tgz``; nothing of it is written to disk.

    Returns:
        the names, or ``None`` when the package is too large or too deep to say, or no archive.
    """
    try:
        found: set[str] = set()
        _collect(package.read_bytes(), found, _MAX_BYTES, 0)
    except (OSError, EOFError, ValueError, tarfile.TarError):
        return None
    return frozenset(found)


def _collect(archive: bytes, found: set[str], limit: int, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("charts in charts in charts")
    with gzip.GzipFile(fileobj=io.BytesIO(archive)) as unpacked:
        content = unpacked.read(limit + 1)
    if len(content) > limit:
        raise ValueError("larger than a chart can be")
    left = limit - len(content)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as files:
        for member in files:
            reader = files.extractfile(member) if member.isfile() else None
            if reader is None:
                continue
            path = PurePosixPath(member.name)
            if path.suffix == ".tgz" and path.parent.name == "charts":
                _collect(reader.read(), found, left, depth + 1)
            elif path.suffix != ".md":
                found |= _names(reader.read().decode("utf-8", "replace"))


def _names(text: str) -> set[str]:
    if "{{" not in text:
        return set()
    text = _YAML_COMMENT.sub("", _COMMENT.sub("", text))
    names: set[str] = set()
    for action in _ACTION.finditer(text):
        for match in _NAME.finditer(action[0]):
            names.add(match[1] or match[3])
    return names
