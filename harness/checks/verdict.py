"""A yes or no that explains itself when a test asserts it."""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections import deque
from types import CodeType, FrameType

# pytest shortens the representation of a value in an assertion to 240 characters
_REPR_LIMIT = 220


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Verdict:
    """The answer to one question about a result.

    ``assert verdict`` fails with :attr:`summary` in pytest's own words for the assertion, because the
    representation of a verdict is its explanation.

    Args:
        ok: the answer.
        subject: what was asked, e.g. ``"run"`` or ``"segmentation"``.
        summary: one line, why the answer is no (or what makes it yes).
        details: further lines.
    """

    ok: bool
    subject: str
    summary: str = ""
    details: tuple[str, ...] = ()

    @classmethod
    def of_problems(cls, subject: str, problems: list[str], *, good: str = "") -> Verdict:
        """Return a verdict that is yes when there are no problems; the first one is the summary."""
        if not problems:
            return cls(True, subject, good)
        summary = problems[0] if len(problems) == 1 else f"{problems[0]} (and {len(problems) - 1} more)"
        return cls(False, subject, summary, tuple(problems))

    def __bool__(self) -> bool:
        _note(self, sys._getframe(1))
        return self.ok

    def __eq__(self, other: object) -> bool:
        """Compare the answer, not the words: ``== True`` and ``is_valid == other.is_valid``."""
        if not isinstance(other, (bool, Verdict)):
            return NotImplemented
        for verdict in (self, other):
            if isinstance(verdict, Verdict):
                _note(verdict, sys._getframe(1))
        return self.ok == (other.ok if isinstance(other, Verdict) else other)

    def __hash__(self) -> int:
        return hash(self.ok)

    def __repr__(self) -> str:
        text = f"{self.subject}: {'yes' if self.ok else 'NO'}"
        if self.summary:
            text += f", {' '.join(self.summary.split())}"
        return f"<{text if len(text) <= _REPR_LIMIT else text[: _REPR_LIMIT - 3] + '...'}>"

    def __str__(self) -> str:
        lines = [self.summary or repr(self)]
        # a single one is in the summary
        shown = (self.summary, *(self.details if len(self.details) == 1 and self.details[0] in self.summary else ()))
        lines.extend(f"  - {line}" for line in self.details if line not in shown)
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class _Refusal:
    verdict: Verdict
    code: CodeType
    line: int


class _LastRefusals(threading.local):
    """The verdicts that have said no to this thread last, while one call went forward in its code.

    Attributes:
        refusals: the last one is the latest.
        instruction: the one that asked last, as an offset into the code.
    """

    def __init__(self) -> None:
        self.refusals: deque[_Refusal] = deque(maxlen=256)
        self.instruction = 0


_last = _LastRefusals()


def _note(verdict: Verdict, frame: FrameType) -> None:
    # in a loop, the same assertion is executed again
    if frame.f_lasti < _last.instruction:
        _last.refusals.clear()
    if not verdict.ok:
        _last.refusals.append(_Refusal(verdict, frame.f_code, frame.f_lineno))
    _last.instruction = frame.f_lasti


def refusals_at(code: CodeType, lines: range) -> list[Verdict]:
    """Return the verdicts that have said no last to these lines of a code, each once."""
    found = (one.verdict for one in _last.refusals if one.code is code and one.line in lines)
    return list({id(one): one for one in found}.values())


def forget_refusals() -> None:
    """Forget which verdicts have said no to this thread."""
    _last.refusals.clear()
