# mypy: disable-error-code="import-not-found"
"""What the operators share that the platform uses for itself: they import with their signature and do not run."""

from __future__ import annotations

from typing import Any, Final

PLATFORM_ITSELF: Final = "it works on the platform's own installation, which is not emulated"


def nothing(*_args: Any, **_kwargs: Any) -> None:
    """Stands for a callable that is never called: the operator is refused before."""
