"""Read JSON from callers: only what JSON itself can express, and with limited nesting.

Python's parser takes NaN, numbers beyond all bounds and half characters too; kept, they would make every later
answer that holds them fail.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

MAX_DEPTH: Final = 100


class JsonError(ValueError):
    """The text is not JSON, or holds what cannot be kept."""


def parse(text: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises:
        JsonError: names the problem.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as problem:
        raise JsonError(f"{problem}" or type(problem).__name__) from None
    _check(value)
    return value


def _refuse(name: str) -> Any:
    raise JsonError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise JsonError(f"the number {text[:40]} is too large")
    return number


def _check(value: Any) -> None:
    """Refuse nesting without end, half characters, and whole numbers that are not numbers elsewhere."""
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            raise JsonError(f"nested deeper than {MAX_DEPTH} levels")
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                for key in item:
                    _check_text(key)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, int) and item.bit_length() > 1023:
                raise JsonError("a whole number is too large")
        level, depth = below, depth + 1


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise JsonError(f"a text holds half a character: {problem.reason}") from None
