"""Write the text of a failed test: the cause first, then what led to it."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from harness.common import crash
from harness.errors import HarnessError
from harness.plugin import assertions

if TYPE_CHECKING:
    from harness.checks import Verdict
    from harness.checks.explanations import Explained
    from harness.plugin.assertions import Assertion
    from harness.report.conclusion import QuestionLog
    from harness.run.results import Run


Place = tuple[CodeType, int]
"""A line of code: the function's code, and the number of the line in its file."""


@dataclasses.dataclass(frozen=True)
class Compared:
    """A comparison ``left op right`` of numbers in an assertion that failed.

    Attributes:
        number: the side that is a number that explains itself, if one is.
        op: the operator.
        left: its left side.
        right: its right side.
        place: the line of the assertion.
    """

    number: Explained | None
    op: str
    left: object
    right: object
    place: Place | None

    @property
    def lines(self) -> list[str]:
        """The comparison, and what led to the number; empty where no side explains itself."""
        if self.number is None:
            return []
        shown_as = self.number.shown_as
        left, right = (
            f"{float(side):{shown_as}}" if isinstance(side, float) else repr(side) for side in (self.left, self.right)
        )
        return self.number.in_words(f"asserted {left} {self.op} {right}")


def explain(error: BaseException, original: Any, runs: Sequence[Run], compared: Compared | None = None) -> str | None:
    """Return the text that pytest shows for a failed test, or ``None`` to keep pytest's own.

    Args:
        error: the exception of the test.
        original: pytest's own representation.
        runs: the runs of the test.
        compared: the comparison with a number of ours that was explained last.

    Returns:
        for an error of the harness: its own text and the line of the test, without the harness's frames.
        For an unexpected error of the harness: the same, with a crash report as its evidence.
        For an assertion that a run has succeeded: cause, log tail, next step and evidence, then pytest's text.
        For one about another verdict, or about a number that explains itself: the explanation, in place of values.
    """
    if not isinstance(error, HarnessError) and _is_unexpected(error):
        error = crash.explain(error)
    if isinstance(error, HarnessError):
        where = _line_of_test(original)
        return f"{error}\n{where}" if where else str(error)
    if isinstance(error, AssertionError):
        assertion = assertions.find(error)
        unmet = assertion.find_unmet_verdicts() if assertion else []
        for run in runs:
            if any(verdict is run.succeeded for verdict in unmet):
                return f"{_explain_run(run)}\n\n{original}"
        lines = _number_in_words(error, assertion, compared)
        if assertion and unmet and not lines:
            message = assertion.message_of(error)
            lines = [*_verdicts_in_words(unmet), *([f"message: {message}"] if message else [])]
        if lines:
            return "\n  ".join([*lines, _line_of_test(original).strip()])
    return None


def _number_in_words(error: AssertionError, assertion: Assertion | None, compared: Compared | None) -> list[str]:
    """Explain an assertion about a number of ours, or about a value computed from one."""
    from harness.checks import explanations

    place = _place(error)
    here = compared if compared is not None and place is not None and compared.place == place else None
    if here is not None and here.number is not None:
        return here.lines
    number = explanations.find_asked_at(*place) if place else None
    if number is None or assertion is None:
        return []
    # where an assertion has other parts, this comparison may be one that holds
    if here is not None and assertion.is_comparison:
        return number.in_words(f"assert {here.left!r} {here.op} {here.right!r}")
    return number.in_words(assertion.show(error))


def _verdicts_in_words(unmet: Sequence[Verdict]) -> list[str]:
    lines = []
    for verdict in unmet:
        first, *rest = str(verdict).splitlines()
        lines += [f"{verdict.subject}: NO, {first}" if verdict.summary else f"{verdict.subject}: NO", *rest]
    return lines


def find_assertion(frame: FrameType | None) -> Place | None:
    """Return the line of the assertion about which pytest asks a hook.

    Args:
        frame: the caller of the hook.
    """
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("_pytest.", "pluggy.")):
        frame = frame.f_back
    return (frame.f_code, frame.f_lineno) if frame else None


def _place(error: AssertionError) -> Place | None:
    """Return the line of the assertion."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return (frames[-1][0].f_code, frames[-1][1]) if frames else None


def find_page(runs: Sequence[Run], questions: QuestionLog | None) -> Path | None:
    """Return the report that shows a failure of a test; ``None`` where it made no run."""
    from harness.report.conclusion import QuestionLog

    return (questions or QuestionLog()).find_report(runs)


def write_index(folders: Iterable[str]) -> list[str]:
    """Write the index of the tests with evidence in these folders; return a line with its path."""
    from harness.report import index

    tests = sorted(path for path in map(Path, folders) if (path / index.FILE).is_file())
    if not tests:
        return []
    # each xdist worker has its own folder, below a common one
    common = index.find_common_folder([path.parent for path in tests])
    try:
        return [f"index of all tests: {index.write(common, tests)}"]
    except HarnessError as error:
        return [f"no index of all tests: {error.cause}"]


def _is_unexpected(error: BaseException) -> bool:
    """Return whether an error is an unexpected one of the harness, not one of the test or of pytest."""
    if not isinstance(error, Exception) or type(error).__module__.startswith(("_pytest.", "pluggy.")):
        return False
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [number for number, name in enumerate(frames) if name == "harness" or name.startswith("harness.")]
    # the wrappers of fixtures are the harness's too, with the test's own code below
    return bool(own) and frames[own[-1]] != "harness.plugin"


def _explain_run(run: Run) -> str:
    first = f"{run.dag_id} ended {run.state}" if run.cause is None else str(run.cause)
    return f"{first}\n  evidence: {run.directory}"


def _line_of_test(original: Any) -> str:
    """Return ``file:line`` and the source line at which a test failed, as pytest found it."""
    entries = getattr(getattr(original, "reprtraceback", None), "reprentries", ())
    for entry in entries:
        location = getattr(entry, "reprfileloc", None)
        if location is None:
            continue
        source = next((line[1:].strip() for line in getattr(entry, "lines", ()) if line.startswith(">")), "")
        return f"  at {location.path}:{location.lineno}: {source}".rstrip(": ")
    return ""
