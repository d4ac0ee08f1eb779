"""Routes of the harness's own on Airflow's web server.

Functions build a path of its parts: the client passes quoted values, the server the placeholders of its framework.
"""

from __future__ import annotations

from typing import Final

# the probe, without a token
HEALTH: Final = "/flow/health"

PREFIX: Final = "/flow/harness"
REFRESH: Final = f"{PREFIX}/refresh"
FILES: Final = f"{PREFIX}/files"
DAGS_ARCHIVE: Final = f"{PREFIX}/dags.tar"


def run(dag_id: str, run_id: str) -> str:
    """Return the path of a run with its tasks."""
    return f"{PREFIX}/runs/{dag_id}/{run_id}"


def run_events(dag_id: str, run_id: str) -> str:
    """Return the path of the stream of a run's changes."""
    return f"{run(dag_id, run_id)}/events"


def log(dag_id: str, run_id: str, task_id: str, attempt: str) -> str:
    """Return the path of the log of an attempt."""
    return f"{PREFIX}/logs/{dag_id}/{run_id}/{task_id}/{attempt}"
