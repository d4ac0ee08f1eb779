"""Count what differs between a result and what is expected, or is not wanted, and keep the first of it in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.checks.verdict import Verdict

_MOST: Final = 10


class Differences:
    """What differs: all is counted, the first ones are kept.

    Args:
        subject: what is compared, for messages.
        unit: what is counted, in the plural, e.g. ``cells``.
    """

    def __init__(self, subject: str, unit: str) -> None:
        self.count = 0
        self.compared = 0
        self._subject, self._unit = subject, unit
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Add a difference."""
        self.count += 1
        if len(self._lines) < _MOST:
            self._lines.append(line)

    def compare(self, where: str, problem: str) -> None:
        """Count a comparison; ``problem`` is empty where both sides agree."""
        self.compared += 1
        if problem:
            self.add(f"{where}: {problem}")

    def verdict(self) -> Verdict:
        """Return a verdict: yes if nothing differs, otherwise no with the differences."""
        if not self.count:
            return Verdict(True, self._subject, f"{self.compared} {self._unit} compared")
        left = self.count - len(self._lines)
        details = [*self._lines, *([f"and {left} more"] if left else [])]
        counted = f"{self.count} difference{'s' if self.count > 1 else ''} in {self.compared} {self._unit}"
        return Verdict(False, self._subject, f"{counted}, the first is {self._lines[0]}", tuple(details))


def judge(subject: str, unwanted: Sequence[str], good: str) -> Verdict:
    """Return a verdict: yes if nothing is unwanted, otherwise no with what is."""
    if not unwanted:
        return Verdict(True, subject, good)
    counted = f"{len(unwanted)} unwanted, the first is {unwanted[0]}"
    left = len(unwanted) - 20
    return Verdict(False, subject, counted, (*unwanted[:20], *([f"and {left} more"] if left > 0 else [])))
