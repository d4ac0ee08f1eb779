# mypy: disable-error-code="import-not-found"
"""Whether a task may start now (runtime 2.2, 2.4)."""

from __future__ import annotations

from typing import Any


class UtilService:
    """The platform's scheduler asks it, but starts the task in any case."""

    @staticmethod
    def check_operator_scheduling(task_instance: Any, logger: Any = None) -> tuple[bool, str | None, str | None, Any]:
        """Allow every task: the pods' own limits bound the memory.

        Returns:
            ``(may start, pool, missing amount, request)``.
        """
        return True, getattr(task_instance, "pool", None), None, getattr(task_instance, "pool_slots", None)
