"""Poll in a test for a condition that gives no notice."""

from __future__ import annotations

from collections.abc import Callable

from harness.wire.polling import Polling


def until(holds: Callable[[], object]) -> None:
    """Return when a condition holds; the test fails if it does not within two minutes."""
    polling = Polling(timeout_s=120.0, pause_s=0.05)
    while not holds():
        assert polling.again()
