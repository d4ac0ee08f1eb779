"""What a test asks about results: the report shows each question with its answer."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.checks.verdict import Verdict


@dataclasses.dataclass(frozen=True, eq=False)
class Question:
    """A question about a file of the evidence.

    Args:
        file: what it is about.
        text: as the test asked it, e.g. ``dice``.
        answer: in words.
        label: the segment that it is about.
        truth: the mask that it was compared with.
    """

    file: Path
    text: str
    answer: str
    label: str | None = None
    truth: NDArray[np.bool_] | None = dataclasses.field(default=None, repr=False)


_observers: list[Callable[[Question], Any]] = []


@contextlib.contextmanager
def observe(observer: Callable[[Question], Any]) -> Iterator[None]:
    """Call ``observer`` for every question that is asked within the block, also in other threads."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def note(question: Question) -> None:
    """Pass a question to all observers."""
    for observer in tuple(_observers):
        observer(question)


def note_verdict(file: Path | None, text: str, verdict: Verdict) -> Verdict:
    """Pass a question about a file to all observers, and return its answer; one without a file is not passed on."""
    if file is not None:
        note(Question(file, text, ("yes: " if verdict.ok else "NO: ") + verdict.summary))
    return verdict
