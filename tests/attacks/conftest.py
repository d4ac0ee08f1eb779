"""Counts the attacks: each test is one, whatever number of inputs it tries."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the numbers of attacks, and of those that the harness withstood."""
    prefix = _HERE.relative_to(config.rootpath).as_posix()

    def count(outcome: str) -> int:
        reports = terminalreporter.stats.get(outcome, [])
        return sum(report.nodeid.startswith(prefix) for report in reports if getattr(report, "when", "call") == "call")

    withstood, succeeded = count("passed"), count("failed")
    if withstood or succeeded:
        tried = withstood + succeeded
        terminalreporter.write_line(f"attacks: {tried} tried, {withstood} withstood, {succeeded} succeeded")
