"""A yes or no that explains itself when a test asserts it."""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections import deque
from types import CodeType, FrameType
from typing import NamedTuple

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
        _note((self,), self.ok, sys._getframe(1))
        return self.ok

    def __eq__(self, other: object) -> bool:
        """Compare the answer, not the words: ``== True`` and ``is_valid == other.is_valid``."""
        if not isinstance(other, (bool, Verdict)):
            return NotImplemented
        compared = (self, other) if isinstance(other, Verdict) else (self,)
        answer = self.ok == (other.ok if isinstance(other, Verdict) else other)
        _note(compared, answer, sys._getframe(1), is_comparison=True)
        return answer

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
        said = (self.summary, *(self.details if len(self.details) == 1 and self.details[0] in self.summary else ()))
        lines.extend(f"  - {line}" for line in self.details if line not in said)
        return "\n".join(lines)


class Answer(NamedTuple):
    """What a verdict has answered to a line of code that asked for its truth, or compared it.

    Attributes:
        verdicts: the verdict, and the one that it was compared with.
        value: the answer.
        is_comparison: whether it was compared.
        code: the code that asked.
        line: the number of the line in its file.
        instruction: the instruction that asked, as an offset into the code.
    """

    verdicts: tuple[Verdict, ...]
    value: bool
    is_comparison: bool
    code: CodeType
    line: int
    instruction: int


class _LastAnswers(threading.local):
    """The last answers that verdicts gave to this thread."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque(maxlen=256)


_last = _LastAnswers()


def _note(verdicts: tuple[Verdict, ...], value: bool, frame: FrameType, *, is_comparison: bool = False) -> None:
    _last.answers.append(Answer(verdicts, value, is_comparison, frame.f_code, frame.f_lineno, frame.f_lasti))


def answers_at(code: CodeType, lines: range) -> list[Answer]:
    """Return the last answers to these lines of a code, the oldest first."""
    return [answer for answer in _last.answers if answer.code is code and answer.line in lines]


def forget_answers() -> None:
    """Forget the answers that verdicts gave to this thread."""
    _last.answers.clear()
