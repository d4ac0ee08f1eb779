"""The page as HTML: as a whole, and each part of it by itself, which replaces the one in the browser."""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import harness
from harness.common.redaction import redact
from harness.page.evidence import EvidenceFolder
from harness.page.facts import ShownRun
from harness.page.observer import format_run_name
from harness.page.pictures import Pictures
from harness.page.source import Source
from harness.page.starter import SAMPLES
from harness.report import rendering
from harness.wire.annotations import split_mark
from harness.wire.records import RunRecord

if TYPE_CHECKING:
    from jinja2 import Environment

_MOST_EARLIER: Final = 100

TEMPLATES: Final = Path(__file__).parent / "templates"

PARTS: Final[Mapping[str, str]] = {
    "runs": "Runs",
    "extensions": "Extensions",
    "received": "Received",
    "results": "Results",
    "metrics": "Metrics",
    "refused": "Refused requests",
    "projects": "Projects",
}
"""The parts of the page and their titles, in the order in which they stand."""


class Views:
    """Makes HTML of what a source says now. No credential of the environment shows in it.

    Args:
        source: that is asked.
        evidence: where the reports of runs are.
        failures: why there is no evidence of a run, by its id.
    """

    def __init__(self, source: Source, evidence: EvidenceFolder, failures: Mapping[str, str]) -> None:
        self._source = source
        self._evidence = evidence
        self._failures = failures

    @property
    def reads(self) -> Mapping[str, Callable[[], Any]]:
        """What each part shows, for comparisons."""
        source = self._source
        return {
            "runs": lambda: (source.runs(), self._evidence.reports(), dict(self._failures)),
            "received": source.list_received,
            "results": source.results,
            "metrics": source.metrics,
            "refused": lambda: source.refusals(source.runs()),
            "extensions": source.extensions,
            "projects": source.show_projects,
        }

    def page(self, trouble: str) -> str:
        """Return the whole page; its parts are filled in by the browser, one after the other.

        Args:
            trouble: why the environment does not answer; empty while it does.
        """
        return _render("page.html", environment=self._source.shown, parts=PARTS, trouble=trouble)

    def part(self, name: str, found: Any) -> str:
        """Return one part.

        Args:
            found: what its read has returned.
        """
        if name != "runs":
            return _render(f"{name}.html", split_mark=split_mark, found=found)
        runs, reports, failures = found
        listed = {run.run_id for run in runs}
        gone = sorted((path, run_id) for run_id, path in reports.items() if run_id not in listed)
        earlier = {run_id: path for path, run_id in gone[-_MOST_EARLIER:]}
        return _render("runs.html", runs=runs, reports=reports, failures=failures, earlier=earlier)

    def run_page(self, run: ShownRun | None, record: RunRecord, trouble: str) -> str:
        """Return the page of one run."""
        return _render(
            "run.html",
            environment=self._source.shown,
            run=run,
            record=record,
            name=format_run_name(record.dag_id, record.run_id),
            part=self.run_part(record),
            trouble=trouble,
        )

    def run_part(self, record: RunRecord) -> Any:
        """Return the part that changes while a run is active: its state, its tasks, the link to its report."""
        from markupsafe import Markup

        report, failure = self._evidence.reports().get(record.run_id), self._failures.get(record.run_id, "")
        # made by a template, so that its texts are escaped already
        return Markup(_render("tasks.html", record=record, report=report, failure=failure))

    def start_page(self, dag_id: str, trouble: str) -> str:
        """Return the page with the form of a DAG, which the browser asks for."""
        return _render(
            "start.html",
            environment=self._source.shown,
            dag_id=dag_id,
            samples=SAMPLES,
            evidence=str(self._evidence.root),
            trouble=trouble,
        )

    def series(self, pictures: Pictures, title: str) -> str:
        """Return the pictures of a series as a document that holds all it needs."""
        return redact(
            rendering.render(
                "series.html",
                scripted=bool(pictures.viewers),
                folder=TEMPLATES,
                title=title,
                figures=pictures.figures,
                viewers=pictures.viewers,
            )
        )


def address(path: str, **query: str) -> str:
    """Return an address of this server."""
    return f"{path}?{urlencode(query)}"


def _render(template: str, **values: Any) -> str:
    page: str = _templates().get_template(template).render(version=harness.__version__, address=address, **values)
    return redact(page)


@functools.cache
def _templates() -> Environment:
    found = rendering.templates(TEMPLATES)
    found.filters["moment"] = format_moment
    found.filters["indented"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
    found.filters["labels"] = lambda labels: ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))
    found.filters["path"] = lambda path: quote(path.encode("utf-8", "surrogateescape"))
    return found


def format_moment(text: str | None) -> str:
    """Return an ISO 8601 time as people read it, in the time zone of this machine; anything else as it is."""
    try:
        moment = datetime.datetime.fromisoformat((text or "").replace("Z", "+00:00"))
    except ValueError:
        return text or ""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
