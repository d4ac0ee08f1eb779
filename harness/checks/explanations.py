"""A number that explains itself when a test asserts something about it that does not hold."""

from __future__ import annotations

import threading
from types import CodeType, FrameType
from typing import Any, ClassVar


class Explained(float):
    """A number about a result.

    pytest shows :attr:`explanation` where an assertion about it fails, or one about what was computed from it on the
    same line.
    """

    shown_as: ClassVar[str] = ".6g"
    """How messages write it."""

    @property
    def what(self) -> str:
        """What it is the number of, e.g. ``dice of 'brain'``."""
        raise NotImplementedError

    @property
    def explanation(self) -> list[str]:
        """Return lines that explain how the number came about."""
        raise NotImplementedError

    @property
    def unit(self) -> str:
        """Its unit; empty where it has none."""
        return ""

    def in_words(self, asserted: str) -> list[str]:
        """Return the lines of a failed assertion: what the number is, what was asserted, what led to it.

        Args:
            asserted: the assertion in words.
        """
        value = f"{float(self):{self.shown_as}}" + (f" {self.unit}" if self.unit else "")
        return [f"{self.what} is {value}: {asserted}", *self.explanation]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the number only."""
        return float, (float(self),)


class _Last(threading.local):
    """The number that this thread asked for last, and where."""

    code: CodeType | None = None
    line = 0
    number: Explained | None = None


_last = _Last()


def note(number: Explained, frame: FrameType) -> None:
    """Remember a number, and the line that asked for it."""
    _last.code, _last.line, _last.number = frame.f_code, frame.f_lineno, number


def find_asked_at(code: CodeType, line: int) -> Explained | None:
    """Return the number that was asked for last, where that was on this line."""
    return _last.number if (_last.code, _last.line) == (code, line) else None
