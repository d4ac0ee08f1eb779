"""Put the parts of a report into its templates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.report import graph, logs, outcomes, rendering, results, timeline
from harness.report.figures import Figure
from harness.run import course

if TYPE_CHECKING:
    from harness.run.results import Run

_SECTIONS: Final = (
    ("sent", "Sent"),
    ("timeline", "Timeline"),
    ("results", "Stored"),
    ("findings", "Findings"),
    ("logs", "Logs"),
    ("conditions", "Conditions"),
)


def render(run: Run, *, pictures: bool) -> tuple[str, str]:
    """Return the page of a run, and a small picture of its results."""
    run_course = course.read(run.directory)
    tests = outcomes.read(run.directory)
    figures, viewers = _figures(run, run_course, tests, pictures)
    failed = run.cause.task_id if run.cause else None
    read = logs.read(run.directory, run.tasks, failed, run_course.logged)
    marked = [line.text for log in read for line in log.lines if line.marked]
    rows = timeline.arrange(run.tasks, run_course.tasks)
    first = [("cause", "Cause")] if run.cause else []
    first += [(f"test{index}", "Test") for index, _ in enumerate(tests, 1)]
    stored = results.read(run.directory, run.objects)
    anchors = {figure.item.path: f"#{figure.id}" for figure in figures}
    anchors |= {result.item.path: f"#object{number}" for number, result in enumerate(stored, 1)}
    page = rendering.render(
        "report.html",
        scripted=bool(read or viewers),
        run=run,
        sections=(*first, *_SECTIONS),
        course=run_course,
        tests=tests,
        figures=figures,
        anchors=anchors,
        thumbnails={figure.item.path: figure.thumbnail for figure in figures if figure.thumbnail},
        viewers=viewers,
        drawing=timeline.draw(rows),
        rows=rows,
        phases=timeline.PHASES,
        graph=graph.lay_out(run.tasks, run_course.tasks, timeline.find_critical_path(run_course.tasks)),
        results=stored,
        logs=read,
        marked=marked,
        first_marked=marked[0] if marked else None,
        form=json.dumps(run.form, indent=2, ensure_ascii=False),
    )
    return page, next((figure.thumbnail for figure in figures if figure.thumbnail), "")


def _figures(
    run: Run, run_course: course.Course, tests: Sequence[outcomes.TestOutcome], pictures: bool
) -> tuple[list[Figure], Mapping[str, Any]]:
    """Return the sent objects, and the data of the viewers by their ids."""
    if not pictures or not len(run.sent):
        return [
            Figure(f"sent{number}", item, item.sop_instance_uid, "DICOM") for number, item in enumerate(run.sent, 1)
        ], {}
    from harness.report.objects import Gallery

    gallery = Gallery(run, run_course, tests)
    return gallery.figures(), gallery.data
