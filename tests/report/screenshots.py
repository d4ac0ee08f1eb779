"""The pictures of the documents: ``python -m tests.report.screenshots`` makes those in ``docs/images`` again."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from harness.checks import questions
from harness.data import brain_mr
from harness.report import conclusion
from harness.run.course import Course, TaskCourse
from harness.run.results import Run
from tests.checks.made_series import write_segmentation
from tests.report.browser import Shown, started
from tests.report.made_runs import SEG, make_run, waited

FOLDER = Path(__file__).parents[2] / "docs/images"
_COURSE = (
    waited("get-input", (), 0, 0.4, 1.5, 3, 3.4),
    waited("dcm2nifti", ("get-input",), 3.4, 3.6, 4.3, 6, 6.2),
    waited("otsus-method", ("dcm2nifti",), 6.2, 6.4, 7.5, 15, 15.2),
    waited("nrrd2dcmseg", ("otsus-method",), 15.2, 15.4, 16, 18.2, 18.5),
    waited("generate-report", ("otsus-method",), 15.2, 15.9, 17, 22, 22.4),
    waited("dcmseg-send", ("nrrd2dcmseg",), 18.5, 18.7, 19.2, 20, 20.1),
    waited("clean", ("generate-report", "dcmseg-send"), 22.5, 22.6, None, None, 23.4),
)


def make(browser: Any, scratch: Path, folder: Path) -> list[Path]:
    """Make the pictures, and return their paths.

    Args:
        browser: the browser.
        scratch: for the run that they show.
        folder: where they are written.
    """
    run = _run(scratch, _COURSE)
    with Shown(browser, run.directory / "report.html", viewport={"width": 1180, "height": 1400}) as shown:
        shown.open_viewer()
        found = [folder / "report.jpg", folder / "timeline.jpg"]
        shown.page.evaluate("scrollTo(0, 0)")
        shown.page.screenshot(path=found[0], type="jpeg", quality=80)
        shown.page.locator("#timeline .timeline").screenshot(path=found[1], type="jpeg", quality=80)
    return found


def _run(scratch: Path, course: tuple[TaskCourse, ...]) -> Run:
    """A run whose segmentation lacks a piece of the brain, and the test that found it."""
    brain = brain_mr()
    found = brain.truth["brain"].copy()
    found[40:60, 60:76, 20:44] = False
    found[48:58, 8:14, 40:60] = True
    path = write_segmentation(scratch / "seg.dcm", brain, {"brain": found})
    states = {entry.task_id: "success" for entry in course}
    run = make_run(
        scratch / "run",
        tasks=states,
        sent=[(SEG, path)],
        sources=[brain],
        went=Course(course),
        logs={"clean": "done\n"},
    )
    log = conclusion.QuestionLog()
    with questions.observe(log):
        dice = run.sent.segmentation().dice("brain", np.asarray(brain.truth["brain"]))
    lines = [f"dice of 'brain' is {dice:.4f}: asserted {dice:.4f} > 0.9900", *dice.difference.lines]
    where = 'at test_brain.py:12: assert segmentation.dice("brain", brain_mr.truth["brain"]) > 0.99'
    failure = "\n  ".join([*lines, where])
    conclusion.conclude(
        scratch, "test_brain.py::test_it_segments_the_brain", "failed", failure, runs=[run], questions=log.seen
    )
    return run


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with started() as opened, tempfile.TemporaryDirectory() as temporary:
        print(*make(opened, Path(temporary), FOLDER), sep="\n", file=sys.stderr)
