"""Write the results of a test at its end: its questions, the reports of its runs, and a line of the index."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness import report
from harness.checks.questions import Question
from harness.common.redaction import REDACTOR
from harness.report.index import FILE, RunEntry, TestEntry
from harness.report.outcomes import RecordedQuestion, TestOutcome

if TYPE_CHECKING:
    from harness.run.results import Run

TRUTHS: Final = "truth"


class QuestionLog:
    """Collects a test's questions, and the last ground truth mask of each segment."""

    def __init__(self) -> None:
        self.seen: list[Question] = []

    def __call__(self, question: Question) -> None:
        """Keep a question."""
        if question.truth is not None:
            for index, earlier in enumerate(self.seen):
                if (earlier.file, earlier.label) == (question.file, question.label) and earlier.truth is not None:
                    self.seen[index] = dataclasses.replace(earlier, truth=None)
        self.seen.append(question)

    def find_report(self, runs: Sequence[Run]) -> Path | None:
        """Return the report with the last question, or that of the last run."""
        for question in reversed(self.seen):
            for run in runs:
                if question.file.is_relative_to(run.directory):
                    return run.directory / report.FILE
        return runs[-1].directory / report.FILE if runs else None


def conclude(
    folder: Path, name: str, outcome: str, failure: str, *, runs: Sequence[Run], questions: Sequence[Question]
) -> None:
    """Write a test's questions, the reports of its runs, and ``test.json``.

    Args:
        folder: of the test's evidence.
        name: the test's id.
        outcome: ``passed``, ``failed``, ``skipped`` or ``unfinished``.
        failure: what pytest shows of a failure.
        runs: of the test.
        questions: its questions, about any of them.

    Raises:
        PlatformError: the disk does not take it.
    """
    from harness.run import evidence

    if not runs and outcome != "failed":
        return
    entries = []
    for run in runs:
        mine = [question for question in questions if question.file.is_relative_to(run.directory)]
        asked = tuple(_record(run.directory, number, question) for number, question in enumerate(mine, 1))
        with evidence.writing(run.directory):
            _keep(run.directory, [TestOutcome(name, outcome, failure, asked)], mine)
        page = report.write(run)
        entries.append(
            RunEntry(
                _relative(page.path, folder),
                run.dag_id,
                run.run_id,
                run.state,
                run.seconds,
                run.cause.line if run.cause else "",
                page.thumbnail,
            )
        )
    ended = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    entry = TestEntry(name, outcome, failure, ended, tuple(entries))
    document = REDACTOR.value(dataclasses.asdict(entry))
    evidence.write_text(folder / FILE, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _keep(directory: Path, tests: list[TestOutcome], questions: Sequence[Question]) -> None:
    import numpy as np

    from harness.report import outcomes

    for number, question in enumerate(questions, 1):
        if question.truth is not None:
            (directory / TRUTHS).mkdir(exist_ok=True)
            np.savez_compressed(directory / TRUTHS / f"{number}.npz", mask=question.truth)
    outcomes.write(directory, tests)


def _record(directory: Path, number: int, question: Question) -> RecordedQuestion:
    truth = None if question.truth is None else f"{TRUTHS}/{number}.npz"
    return RecordedQuestion(
        question.file.relative_to(directory).as_posix(), question.text, question.answer, question.label, truth
    )


def _relative(path: Path, folder: Path) -> str:
    # a run may have its own folder
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path.absolute())
