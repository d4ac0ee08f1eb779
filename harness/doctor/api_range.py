"""Which version of the engine's API is spoken: the newest that both sides know."""

from __future__ import annotations

import re
from typing import Final

OLDEST: Final = (1, 41)
"""Docker 20.10."""
NEWEST: Final = (1, 51)
"""Docker 28.5; newer engines, tried up to 29.8, still understand it."""

_NUMBER: Final = re.compile(r"[0-9]{1,6}")


def parse_version(version: str) -> tuple[int, ...]:
    """Return ``1.41`` as ``(1, 41)``; empty for other texts."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(_NUMBER.fullmatch(part) for part in parts) else ()


def format_version(version: tuple[int, ...]) -> str:
    """Return ``(1, 41)`` as ``1.41``."""
    return ".".join(map(str, version))


def choose(api: str, minimum: str) -> str:
    """Return the newest API version that both sides support; empty if they share none.

    Args:
        api: the newest that the engine speaks.
        minimum: the oldest that it speaks; empty where it does not say so.
    """
    chosen = min(parse_version(api), NEWEST)
    return format_version(chosen) if max(OLDEST, parse_version(minimum)) <= chosen else ""
