"""Remove environments whose owners are gone.

The ledger knows them; each kind of cluster finds those that it does not know.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from harness.cluster import ledger, providers
from harness.errors import NotRemovedError

_LOG = logging.getLogger("harness.ownership")


def down(state: Path) -> list[str]:
    """End the environments that were left running; their ids."""
    kept = [entry for entry in ledger.read_entries(state) if entry.kept]
    for entry in kept:
        _remove(state, entry)
    return [entry.id for entry in kept]


def tidy(state: Path) -> list[str]:
    """Remove leftovers of this user's environments whose owner died; return their ids."""
    removed = []
    for entry in ledger.read_entries(state):
        # failures stay in the ledger for another attempt; a new environment does not need them removed
        if not entry.kept and not ledger.is_alive(entry) and _try(entry.id, _remove, state, entry):
            removed.append(entry.id)
    return removed


def prune(state: Path) -> list[str]:
    """Remove leftovers of environments whose owner is gone, and of kept ones that no longer work.

    Returns:
        The ids of environments with removed leftovers.

    Raises:
        EngineError: the engine cannot be asked.
    """
    removed = tidy(state)
    for entry in ledger.read_entries(state):
        if entry.kept and not _is_working(state, entry) and _try(entry.id, _remove, state, entry):
            removed.append(entry.id)
    return removed + _prune_orphans(state)


def _prune_orphans(state: Path) -> list[str]:
    """Remove ownerless environments that are in no ledger of this user."""
    # what several kinds find is of the last one: it looks closer
    found = {one.id: one for provider in providers.all_providers() for one in provider.find(state)}
    known = {entry.id for entry in ledger.read_entries(state)}
    orphans = (one for one in found.values() if one.id not in known and not one.in_use())
    return [one.id for one in orphans if _try(one.id, one.remove)]


def _try(environment_id: str, remove: Callable[..., object], *what: object) -> bool:
    """Call ``remove(*what)``; whether it succeeded.

    What the engine does not remove is logged, and the others are removed all the same.
    """
    try:
        remove(*what)
    except NotRemovedError as error:
        _LOG.warning("of environment %s: %s", environment_id, error)
        return False
    return True


def _is_working(state: Path, entry: ledger.Entry) -> bool:
    provider = providers.find(entry.cluster)
    return provider is not None and provider.is_alive(state, entry)


def _remove(state: Path, entry: ledger.Entry) -> None:
    provider = providers.find(entry.cluster)
    if provider is not None:
        provider.remove(state, entry)
    else:
        # of no cluster, or of a kind that another version knows: its objects on the engine have our labels
        from harness.engine import connect, leftovers

        with contextlib.closing(connect()) as client:
            leftovers.remove(client, entry.id)
    ledger.forget(state, entry.id)
