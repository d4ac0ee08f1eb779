"""Limit the log of a task: all of the container's output up to a size, and always the end."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Final

# the chain of exceptions of a failed connection has 90
TAIL_LINES: Final = 150
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
        """Add the next line."""
        self.count += 1
        self._tail.append(line)
        if self._held or self._left < len(line):
            self._held += 1
            return
        self._left -= len(line) + 1
        self._on_line(line)

    def complete(self, last: Sequence[str]) -> None:
        """Add lines that a broken stream missed.

        Args:
            last: the last :data:`TAIL_LINES` lines of the whole log.
        """
        tail = self.tail
        common = next((size for size in range(min(len(tail), len(last)), 0, -1) if tail[-size:] == last[:size]), 0)
        if common or (not tail and len(last) < TAIL_LINES):
            for line in last[common:]:
                self.add(line)
        elif last:
            self._tail = collections.deque(last, maxlen=TAIL_LINES)
            self._held = max(self._held, len(self._tail) + 1)

    def end(self) -> None:
        """Pass on the last held lines, after a line about omitted ones; once."""
        held, self._held = self._held, 0
        if not held:
            return
        if held > len(self._tail):
            self._on_line("[kaapana-harness] lines are left out here: the log is longer than a log may be")
        for line in list(self._tail)[-held:]:
            self._on_line(line)
