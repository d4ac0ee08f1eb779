"""How long a pod may be active. Its end is a type of its own: other things within it have limits, too."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class DeadlineExceededError(Exception):
    """A pod was active for longer than its specification allows."""


async def run_within(work: Coroutine[Any, Any, None], limit_s: float | None) -> None:
    """Run work to its end, and cancel it when its time is over.

    Args:
        work: its own errors are raised as they are, also a ``TimeoutError``.
        limit_s: seconds, or ``None``.

    Raises:
        DeadlineExceededError: it was cancelled after that time.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=limit_s)
        if not task.done():
            raise DeadlineExceededError
        task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
