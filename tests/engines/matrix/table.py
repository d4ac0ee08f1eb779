"""The outcome of all rows, as a table of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from tests.engines.matrix.outcome import FAILED, MISSING, Outcome, Suite

_TITLES = (
    *("row", "engine", "image store", "API", "builder", "images"),
    *("cold", "warm", "edit", "conformance", "kind", "verdict"),
)


def render(outcomes: Sequence[Outcome]) -> str:
    """Return one line for each row, below the titles."""
    lines = [_line(_TITLES), _line(["---"] * len(_TITLES))]
    return "\n".join([*lines, *(_line(_cells(outcome)) for outcome in outcomes)])


def exit_status(outcomes: Sequence[Outcome], *, allow_missing: bool) -> int:
    """Return 0 when every row has come out as it should, otherwise 1."""
    bad = {FAILED} if allow_missing else {FAILED, MISSING}
    return int(any(outcome.verdict in bad for outcome in outcomes))


def _cells(outcome: Outcome) -> list[str]:
    verdict = f"{outcome.verdict}: {outcome.reason}" if outcome.reason else outcome.verdict
    times = [_seconds(value) for value in (outcome.cold, outcome.warm, outcome.edit)]
    suites = [_suite(suite) for suite in (outcome.conformance, outcome.kind)]
    found = (outcome.engine, outcome.store, outcome.api, outcome.builder, outcome.images)
    return [outcome.row, *found, *times, *suites, verdict]


def _suite(suite: Suite | None) -> str:
    return "" if suite is None else f"{suite.tests - suite.skipped - len(suite.failures)} of {suite.tests}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def _line(cells: Sequence[str]) -> str:
    # a message of an engine may have anything in it
    return f"| {' | '.join(' '.join(cell.split()).replace('|', '/') for cell in cells)} |"
