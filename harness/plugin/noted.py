"""Findings of a test session: from each test's report to the end of the session, where each is reported once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from harness.findings import Finding
from harness.findings.telling import lines

if TYPE_CHECKING:
    from harness.run.results import Run


def documents(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the findings of a test's runs as JSON can say them."""
    found = ((run.findings, run.on_other_releases) for run in runs)
    return [
        {"elsewhere": bool(number), "finding": finding.as_json()}
        for pair in found
        for number, findings in enumerate(pair)
        for finding in findings
    ]


def summary(entries: Iterable[dict[str, Any]]) -> list[str]:
    """Return the lines for the end of the session."""
    found = [(Finding.from_json(entry["finding"]), bool(entry["elsewhere"])) for entry in entries]
    return lines(*([finding for finding, elsewhere in found if elsewhere is which] for which in (False, True)))
