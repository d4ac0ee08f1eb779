"""Untrusted text as a page may show it."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

# control and format characters (the overrides of a text's direction among them), halves of pairs, unassigned ones
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class _Escapes(dict[int, "int | str"]):
    """A table for ``str.translate`` that is filled on use."""

    def __missing__(self, code: int) -> int | str:
        sign = chr(code)
        seen = sign in "\n\t" or unicodedata.category(sign) not in _UNSEEN
        self[code] = code if seen else sign.encode("unicode_escape", "surrogatepass").decode("ascii")
        return self[code]


_ESCAPES = _Escapes()


def escape_unseen(text: str) -> str:
    """Return a text with escaped control characters; line breaks and tabs stay."""
    return text.translate(_ESCAPES)


def abbreviate(text: str, most: int) -> str:
    """Return at most so many characters of a text, for a place that has room for no more."""
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


def link_to(path: str) -> str:
    """Return a link to a file beside the page: relative, so that a name with a colon is not taken for a scheme."""
    return "./" + quote(path.encode("utf-8", "backslashreplace"))


def format_size(count: int) -> str:
    """Return a number of bytes for people."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def find_inside(directory: Path, relative: str) -> Path | None:
    """Return a file of the evidence; ``None`` where it is not there, not a regular file, or leads out of the folder."""
    root, path = os.path.realpath(directory), os.path.realpath(directory / relative)
    if os.path.commonpath([root, path]) != root or not os.path.isfile(path):
        return None
    return Path(path)


def format_seconds(value: Any) -> str:
    """Return a duration for a cell."""
    return "" if value is None else f"{float(value):.1f}"
