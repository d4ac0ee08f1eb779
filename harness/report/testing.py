"""Write the results of a test at its end: its questions, the reports of its runs, and a line of the index."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness import report
from harness.checks.looks import Look
from harness.common.redaction import REDACTOR
from harness.report.index import FILE, RunEntry, TestEntry
from harness.report.questions import Asked, TestOutcome

if TYPE_CHECKING:
    from harness.run.results import Run

TRUTHS: Final = "truth"


class Looks:
    """Collects a test's questions, and the last ground truth mask of each segment."""

    def __init__(self) -> None:
        self.seen: list[Look] = []

    def __call__(self, look: Look) -> None:
        """Keep a question."""
        if look.truth is not None:
            for index, earlier in enumerate(self.seen):
                if (earlier.file, earlier.label) == (look.file, look.label) and earlier.truth is not None:
                    self.seen[index] = dataclasses.replace(earlier, truth=None)
        self.seen.append(look)

    def report_of(self, runs: Sequence[Run]) -> Path | None:
        """Return the report with the last question, or that of the last run."""
        for look in reversed(self.seen):
            for run in runs:
                if look.file.is_relative_to(run.directory):
                    return run.directory / report.FILE
        return runs[-1].directory / report.FILE if runs else None


def conclude(
    folder: Path, name: str, outcome: str, failure: str, *, runs: Sequence[Run], looks: Sequence[Look]
) -> None:
    """Write a test's questions, the reports of its runs, and ``test.json``.

    Args:
        folder: of the test's evidence.
        name: the test's id.
        outcome: ``passed``, ``failed``, ``skipped`` or ``unfinished``.
        failure: what pytest shows of a failure.
        runs: of the test.
        looks: its questions, about any of them.

    Raises:
        PlatformError: the disk does not take it.
    """
    from harness.run import evidence

    if not runs and outcome != "failed":
        return
    entries = []
    for run in runs:
        mine = [look for look in looks if look.file.is_relative_to(run.directory)]
        asked = tuple(_record_look(run.directory, number, look) for number, look in enumerate(mine, 1))
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


def _keep(directory: Path, tests: list[TestOutcome], looks: Sequence[Look]) -> None:
    import numpy as np

    from harness.report import questions

    for number, look in enumerate(looks, 1):
        if look.truth is not None:
            (directory / TRUTHS).mkdir(exist_ok=True)
            np.savez_compressed(directory / TRUTHS / f"{number}.npz", mask=look.truth)
    questions.write(directory, tests)


def _record_look(directory: Path, number: int, look: Look) -> Asked:
    truth = None if look.truth is None else f"{TRUTHS}/{number}.npz"
    return Asked(look.file.relative_to(directory).as_posix(), look.question, look.answer, look.label, truth)


def _relative(path: Path, folder: Path) -> str:
    # a run may have its own folder
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path.absolute())
