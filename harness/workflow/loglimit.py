"""What of a container's output becomes the log of its task: all of it, up to a size, and always the end."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Final

TAIL_LINES: Final = 50
MOST_BYTES: Final = 8 * 2**20


class LogLimit:
    """Passes lines on as they come. Beyond :data:`MOST_BYTES` only the last ones are kept, for :meth:`end`.

    ``count`` is the number of lines so far.

    Args:
        on_line: gets the lines.
        most: bytes that are passed on at once.
    """

    def __init__(self, on_line: Callable[[str], None], most: int = MOST_BYTES) -> None:
        self._on_line = on_line
        self._left = most
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._held = 0
        self.count = 0

    @property
    def tail(self) -> list[str]:
        """The last lines."""
        return list(self._tail)

    def add(self, line: str) -> None:
        """The next line."""
        self.count += 1
        self._tail.append(line)
        if self._held or self._left < len(line):
            self._held += 1
            return
        self._left -= len(line) + 1
        self._on_line(line)

    def end(self) -> None:
        """Pass the last of the held lines on, with the number of those that are left out; once."""
        held, self._held = self._held, 0
        if not held:
            return
        last = list(self._tail)[-held:]
        if left_out := held - len(last):
            self._on_line(f"[kaapana-harness] {left_out} lines are left out here: the log is longer than a log may be")
        for line in last:
            self._on_line(line)
