"""Poll for a condition that gives no notice, with pauses, until a deadline."""

from __future__ import annotations

import math
import time


class Polling:
    """The pauses between attempts. The caller asks, and decides what it means that the time is over::

        polling = Polling(timeout_s=30, pause_s=0.1)
        while not registry.ready():
            if not polling.again():
                raise PlatformError("the registry did not answer within 30 s")

    The last attempt is at the deadline, so that what a pause ends with is seen.

    Args:
        timeout_s: seconds from now to the deadline; without it the caller ends the wait.
        pause_s: seconds of the first pause.
        longest_s: each pause is longer than the one before by half, up to this; without it all pauses are equal.
    """

    def __init__(self, *, timeout_s: float = math.inf, pause_s: float, longest_s: float = 0.0) -> None:
        self._deadline = time.monotonic() + timeout_s
        self._pause_s = pause_s
        self._longest_s = longest_s

    def again(self) -> bool:
        """Sleep until the next attempt; return ``False`` at once when the time is over."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(self._pause_s, left))
        self._pause_s = max(self._pause_s, min(self._pause_s * 1.5, self._longest_s))
        return True
