"""No run of a scenario may have a finding, on its platform or another, that its test does not expect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "finds(rule, ...): the findings that the runs of a test have")


@pytest.fixture(autouse=True)
def _only_expected_findings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare the rules of all findings with those of the marker ``finds``."""
    kaapana = request.getfixturevalue("kaapana") if "kaapana" in request.fixturenames else None
    yield
    marker = request.node.get_closest_marker("finds")
    expected = set(marker.args) if marker else set()
    runs = kaapana.runs if kaapana is not None else []
    found = {finding.rule: finding for run in runs for finding in (*run.findings, *run.on_other_releases)}
    assert {rule: str(finding) for rule, finding in found.items() if rule not in expected} == {}
    assert expected <= found.keys()
