"""Entry point of the ``airflow`` image: ``python -m harness.incluster.airflow.start database|scheduler|webserver``."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from harness.incluster.airflow import config


def main(arguments: Sequence[str]) -> int:
    """Run one role; returns its exit status (2: unknown role)."""
    role = arguments[0] if len(arguments) == 1 else ""
    if role == "database":
        from harness.incluster.airflow import database

        return database.serve()
    if role not in ("scheduler", "webserver"):
        print("usage: python -m harness.incluster.airflow.start database|scheduler|webserver", file=sys.stderr)
        return 2
    config.apply()
    # Airflow's warnings about itself at each start; warnings about an author's file name that file, and stay
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"airflow\.")
    for name in ("CORE__DAGS_FOLDER", "CORE__PLUGINS_FOLDER", "LOGGING__BASE_LOG_FOLDER"):
        Path(os.environ[f"AIRFLOW__{name}"]).mkdir(parents=True, exist_ok=True)
    if role == "scheduler":
        from harness.incluster.airflow import scheduler

        scheduler.run()
    else:
        from harness.incluster.airflow import webserver

        webserver.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
