"""Callbacks that receive a line for each step that takes seconds."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[str], None]
"""Gets a line for each step."""


def quiet(line: str) -> None:
    """Ignore the line."""
