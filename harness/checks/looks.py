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
class Look:
    """A question about a file of the evidence.

    Args:
        file: what it is about.
        question: as the test asked it, e.g. ``dice``.
        answer: in words.
        label: the segment that it is about.
        truth: the mask that it was compared with.
    """

    file: Path
    question: str
    answer: str
    label: str | None = None
    truth: NDArray[np.bool_] | None = dataclasses.field(default=None, repr=False)


_watchers: list[Callable[[Look], Any]] = []


@contextlib.contextmanager
def watch(watcher: Callable[[Look], Any]) -> Iterator[None]:
    """Call ``watcher`` for every question that is asked within the block, also in other threads."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def note(look: Look) -> None:
    """Pass a look to all watchers."""
    for watcher in tuple(_watchers):
        watcher(look)


def note_verdict(file: Path | None, question: str, verdict: Verdict) -> Verdict:
    """Pass a question about a file to all watchers, and return its answer; one without a file is not passed on."""
    if file is not None:
        note(Look(file, question, ("yes: " if verdict.ok else "NO: ") + verdict.summary))
    return verdict
