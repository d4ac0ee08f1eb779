"""The names that the templates of a packaged chart mention, those of its sub-charts included."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.common import documents

# far above what any chart has; Helm itself stops at 100 MiB
_MAX_BYTES = 32 * 2**20
_MAX_DEPTH = 4
_COMMENT_START = re.compile(r"\{\{-?[ \t\r\n]{0,80}/\*")
_COMMENT_END = re.compile(r"\*/[ \t\r\n]{0,80}-?\}\}")
_YAML_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
# .name, and texts: what `index`, `get`, `dig` and `tpl` are given
_NAME = re.compile(r"\.([A-Za-z_]\w*)|([\"'`])(.*?)\2", re.DOTALL)


def find_mentioned_names(package: Path) -> frozenset[str] | None:
    """Return every field name and text in the actions (``{{ ... }}``) of a package's files, comments left out.

    All files count, because ``tpl`` may read any of them, except documents for people.

    Args:
        package: a chart as ``.tgz``, which is not written to disk.

    Returns:
        the names, or ``None`` when the package is too large or too deep to say, or no archive.
    """
    try:
        found: set[str] = set()
        _collect(documents.read_bytes(package, most=_MAX_BYTES), found, _MAX_BYTES, 0)
    except (OSError, EOFError, ValueError, tarfile.TarError):
        return None
    return frozenset(found)


def _collect(archive: bytes, found: set[str], limit: int, depth: int) -> int:
    """Collect the names in an archive; return the remaining bytes of ``limit``."""
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
                left = _collect(reader.read(), found, left, depth + 1)
            elif path.suffix != ".md":
                found |= _names(reader.read().decode("utf-8", "replace"))
    return left


def _names(text: str) -> set[str]:
    if "{{" not in text:
        return set()
    names: set[str] = set()
    for action in _actions(_YAML_COMMENT.sub("", _without_comments(text))):
        for match in _NAME.finditer(action):
            names.add(match[1] or match[3])
    return names


def _without_comments(text: str) -> str:
    """Look at each character a bounded number of times: a pattern over both ends would not."""
    parts, at = [], 0
    while (start := _COMMENT_START.search(text, at)) and (end := _COMMENT_END.search(text, start.end())):
        parts.append(text[at : start.start()])
        at = end.end()
    return "".join([*parts, text[at:]])


def _actions(text: str) -> Iterator[str]:
    end = 0
    while (start := text.find("{{", end)) >= 0 and (end := text.find("}}", start)) >= 0:
        yield text[start:end]
