"""Shared by the operators that the platform uses for itself: they import with their signature and do not run."""

from __future__ import annotations

from typing import Any


def do_nothing(*_args: Any, **_kwargs: Any) -> None:
    """Do nothing: stand for a callable that is never called, because the operator is refused before."""
