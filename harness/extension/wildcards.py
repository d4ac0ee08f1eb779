"""Patterns of file names as Docker and Go read them, matched in time that grows with pattern times name only.

``*`` and ``?`` stay inside of one folder, ``**`` is the same as ``*``, ``[a-c]`` and ``[^a-c]`` are classes, ``\\``
takes the next character literally. An invalid pattern (an unclosed class) matches nothing, as in Go.
"""

from __future__ import annotations

from collections.abc import Callable

_Piece = Callable[[str], bool]


def has_wildcard(pattern: str) -> bool:
    """Return whether a text is a pattern and not a name."""
    return any(sign in pattern for sign in "*?[\\")


def matches(pattern: str, path: str) -> bool:
    """Return whether a pattern matches a relative path, folder by folder."""
    patterns, names = pattern.split("/"), path.split("/")
    return len(patterns) == len(names) and all(map(_matches_name, patterns, names))


def _matches_name(pattern: str, name: str) -> bool:
    pieces = _pieces(pattern)
    if pieces is None:
        return False
    at = here = 0
    # position of the last star, and of the text after its match: only the last star can take more
    star, taken = -1, 0
    while here < len(name):
        if at < len(pieces) and pieces[at] is None:
            star, taken = at, here
            at += 1
        elif at < len(pieces) and (piece := pieces[at]) is not None and piece(name[here]):
            at += 1
            here += 1
        elif star >= 0:
            taken += 1
            at, here = star + 1, taken
        else:
            return False
    return all(piece is None for piece in pieces[at:])


def _pieces(pattern: str) -> list[_Piece | None] | None:
    """Return a test for each character, ``None`` for a star; just ``None`` for an invalid pattern."""
    pieces: list[_Piece | None] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        if sign == "*":
            if not pieces or pieces[-1] is not None:
                pieces.append(None)
        elif sign == "?":
            pieces.append(lambda character: True)
        elif sign == "[":
            end = pattern.find("]", at + 2)
            if end < 0:
                return None
            pieces.append(_class(pattern[at + 1 : end]))
            at = end
        else:
            if sign == "\\":
                at += 1
                if at == len(pattern):
                    return None
            pieces.append(pattern[at].__eq__)
        at += 1
    return pieces


def _class(inner: str) -> _Piece:
    negated = inner.startswith("^")
    inner = inner[negated:]
    ranges = []
    at = 0
    while at < len(inner):
        if inner[at + 1 : at + 2] == "-" and at + 2 < len(inner):
            ranges.append((inner[at], inner[at + 2]))
            at += 3
        else:
            ranges.append((inner[at], inner[at]))
            at += 1
    return lambda character: negated != any(low <= character <= high for low, high in ranges)
