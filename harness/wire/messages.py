"""Parts of messages that are the same on the host and in containers."""

from __future__ import annotations

from collections.abc import Sequence


def join_names(names: Sequence[str], most: int = 10) -> str:
    """Return the names as one text; of very many only the first: ``a, b and 3 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def show_numbers(values: Sequence[float]) -> str:
    """Return numbers in four digits: ``(1, 0.5, -12.25)``."""
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
