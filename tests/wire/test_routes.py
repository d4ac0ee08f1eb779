"""Routes of the harness's own interfaces."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import harness
from harness.wire import airflow_routes, services_routes

TEMPLATES = Path(harness.__file__).parent / "platform/chart/templates"


@pytest.mark.parametrize(
    ("template", "route"), [("airflow.yaml", airflow_routes.HEALTH), ("services.yaml", services_routes.HEALTH)]
)
def test_the_probe_of_the_chart_asks_the_route_that_the_container_has(template: str, route: str) -> None:
    assert re.findall(r"httpGet:\s+path: (\S+)", (TEMPLATES / template).read_text()) == [route]
