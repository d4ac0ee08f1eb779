"""What a test leaves when it ends: what it asked beside each of its runs, their reports, and a line for the index."""

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
from harness.report.asked import Asked, TestOutcome
from harness.report.index import FILE, RunEntry, TestEntry

if TYPE_CHECKING:
    from harness.run.results import Run

TRUTHS: Final = "truth"


class Looks:
    """Collects what a test asks; of masks that results were compared with it keeps the last one of each segment."""

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
        """Return the report that shows what was asked last; that of the last run where nothing was asked."""
        for look in reversed(self.seen):
            for run in runs:
                if look.file.is_relative_to(run.directory):
                    return run.directory / report.FILE
        return runs[-1].directory / report.FILE if runs else None


def conclude(
    folder: Path, name: str, outcome: str, failure: str, *, runs: Sequence[Run], looks: Sequence[Look]
) -> None:
    """Write what a test asked, the reports of its runs with it, and ``test.json``.

    Args:
        folder: of the test's evidence.
        name: the test's id.
        outcome: ``passed``, ``failed``, ``skipped`` or ``unfinished``.
        failure: what pytest shows of a failure.
        runs: of the test.
        looks: what it asked, about any of them.

    Raises:
        PlatformError: the disk does not take it.
    """
    from harness.run import evidence

    if not runs and outcome != "failed":
        return
    entries = []
    for run in runs:
        mine = [look for look in looks if look.file.is_relative_to(run.directory)]
        asked = tuple(_asked(run.directory, number, look) for number, look in enumerate(mine, 1))
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

    from harness.report import asked

    for number, look in enumerate(looks, 1):
        if look.truth is not None:
            (directory / TRUTHS).mkdir(exist_ok=True)
            np.savez_compressed(directory / TRUTHS / f"{number}.npz", mask=look.truth)
    asked.write(directory, tests)


def _asked(directory: Path, number: int, look: Look) -> Asked:
    truth = None if look.truth is None else f"{TRUTHS}/{number}.npz"
    return Asked(look.file.relative_to(directory).as_posix(), look.question, look.answer, look.label, truth)


def _relative(path: Path, folder: Path) -> str:
    # a run may have been given a folder of its own
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path.absolute())
