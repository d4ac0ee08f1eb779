# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""E-mail about failed workflows (operators 7). The harness sends none, but logs the message."""

from __future__ import annotations

import logging
from typing import Any, Final

_LOG: Final = logging.getLogger("airflow.task.kaapana")


def handle_task_failure_alert(context: Any) -> None:
    """Log the alert for the failed task of a context; no e-mail is sent."""
    ti = context["ti"]
    _LOG.warning("no e-mail is sent here; it would have said that %s of %s failed", ti.task_id, ti.run_id)
