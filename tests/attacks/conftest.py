"""Counts the attacks: each test is one, whatever number of inputs it tries."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many attacks were tried and how many held."""
    prefix = _HERE.relative_to(config.rootpath).as_posix()

    def count(outcome: str) -> int:
        reports = terminalreporter.stats.get(outcome, [])
        return sum(report.nodeid.startswith(prefix) for report in reports if getattr(report, "when", "call") == "call")

    held, fell = count("passed"), count("failed")
    if held or fell:
        terminalreporter.write_line(f"attacks: {held + fell} tried, {held} held, {fell} fell")
