"""Carry findings from the report of each test to the end of the session, which reports each of them once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from harness.findings import Finding, summary

if TYPE_CHECKING:
    from harness.run.results import Run


def to_documents(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the findings of a test's runs as JSON."""
    found = ((run.findings, run.on_other_releases) for run in runs)
    return [
        {"elsewhere": bool(number), "finding": finding.as_json()}
        for pair in found
        for number, findings in enumerate(pair)
        for finding in findings
    ]


def summary_lines(entries: Iterable[dict[str, Any]]) -> list[str]:
    """Return the lines for the end of the session."""
    found = [(Finding.from_json(entry["finding"]), bool(entry["elsewhere"])) for entry in entries]
    here, others = ([finding for finding, elsewhere in found if elsewhere is which] for which in (False, True))
    return summary.summary_lines(here, others)
