# mypy: disable-error-code="import-not-found"
"""The platform's endpoints in Airflow's web server (runtime 9)."""

from __future__ import annotations

from harness.incluster.airflow.platform_api import blueprint

__all__ = ["blueprint"]
