"""Patterns with ``*`` and ``?`` from callers, matched in bounded time."""

from __future__ import annotations

import fnmatch
import re
from typing import Final

_MAX_LENGTH: Final = 1024
_MAX_STARS: Final = 16


class WildcardError(ValueError):
    """The pattern is longer, or has more wildcards, than the limits allow."""


def check_bounds(pattern: str) -> str:
    """Return a pattern without repeated stars.

    Raises:
        WildcardError: matching it could take minutes.
    """
    short = re.sub(r"\*+", "*", pattern)
    if len(short) > _MAX_LENGTH or short.count("*") > _MAX_STARS:
        raise WildcardError(f"the pattern has more than {_MAX_STARS} wildcards, or {_MAX_LENGTH} characters")
    return short


def matches(text: str, pattern: str) -> bool:
    """Return whether a text matches a pattern; brackets stand for themselves, case counts.

    Raises:
        WildcardError: see :func:`check_bounds`.
    """
    return fnmatch.fnmatchcase(text, check_bounds(pattern).replace("[", "[[]"))
