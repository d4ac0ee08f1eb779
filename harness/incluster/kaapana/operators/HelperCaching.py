# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""Decorator of the methods that Python operators run (operators 7)."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, Final

from kaapana.operators.HelperFederated import refuse_federated_run

_LOG: Final = logging.getLogger("airflow.task.kaapana")
CACHE_MODES: Final = ("ignore", "cache", "overwrite", "clear")


def check_cache_mode(mode: str) -> None:
    """Refuse modes that the platform does not know (runtime 5).

    Raises:
        AssertionError: it is not one of :data:`CACHE_MODES`.
    """
    assert mode in CACHE_MODES, f"manage_cache is {mode!r}, it must be one of {', '.join(CACHE_MODES)}"


def cache_operator_output(func: Callable[..., Any]) -> Callable[..., Any]:
    """Call the method; the platform's cache is always empty here, so it is never skipped.

    Raises:
        AssertionError: ``manage_cache`` of the operator is not a mode.
        NotEmulatedError: the run is a federated one.
    """

    @functools.wraps(func)
    def cached(self: Any, *args: Any, **kwargs: Any) -> Any:
        check_cache_mode(self.manage_cache)
        refuse_federated_run(kwargs)
        if self.manage_cache != "ignore":
            _LOG.warning("manage_cache=%r: the cache is always empty here, so the operator runs", self.manage_cache)
        return func(self, *args, **kwargs)

    return cached
