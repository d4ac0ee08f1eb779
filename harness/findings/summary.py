"""Summarise findings for a terminal: one line for each about the chosen platform, one for all about other releases."""

from __future__ import annotations

from collections.abc import Iterable

from harness.findings.rule import Finding


def summary_lines(findings: Iterable[Finding], on_other_releases: Iterable[Finding]) -> list[str]:
    """Return a line for each different finding, and one for all about other releases."""
    lines = [str(finding) for finding in dict.fromkeys(findings)]
    others = list(dict.fromkeys(on_other_releases))
    if others:
        rules: dict[str, dict[str, None]] = {}
        for finding in others:
            rules.setdefault(finding.rule, {}).update(dict.fromkeys(finding.platforms))
        named = "; ".join(f"{rule} ({', '.join(releases)})" for rule, releases in rules.items())
        count = "1 finding" if len(others) == 1 else f"{len(others)} findings"
        lines.append(f"on other releases: {count}, {named}; see report.html and run.json")
    return lines
