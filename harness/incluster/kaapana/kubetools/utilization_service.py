# mypy: disable-error-code="import-not-found"
"""Whether a task may start now (runtime 2.2, 2.4)."""

from __future__ import annotations

from typing import Any


class UtilService:
    """The platform's scheduler asks it and then starts the task whatever it says."""

    @staticmethod
    def check_operator_scheduling(task_instance: Any, logger: Any = None) -> tuple[bool, str | None, str | None, Any]:
        """Nothing stands in the way of a task here: memory is limited by the pods' own limits.

        Returns:
            ``(may start, pool, amount that is missing, what was asked for)``.
        """
        return True, getattr(task_instance, "pool", None), None, getattr(task_instance, "pool_slots", None)
