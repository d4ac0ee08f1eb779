"""Remove environments whose owners are gone.

The ledger knows them; what it does not know is found by labels on the engine.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from harness.cluster import ledger
from harness.errors import EngineError, NotRemovedError
from harness.kube import ApiError, KubeApi
from harness.settings import Settings

_LOG = logging.getLogger("harness.ownership")
_SHUTDOWN_S = 60.0


def down(settings: Settings) -> list[str]:
    """End the environments that were left running; their ids."""
    ended = [entry.id for entry in ledger.entries(settings) if entry.kept]
    for environment_id in ended:
        _remove(settings, environment_id)
    return ended


def tidy(settings: Settings) -> list[str]:
    """Remove what is left of this user's environments whose owner died; their ids."""
    removed = []
    for entry in ledger.entries(settings):
        # what is not removed stays in the ledger and is tried again; what is to start now does not need it gone
        if not entry.kept and not ledger.alive(entry) and _try_remove(entry.id, _remove, settings):
            removed.append(entry.id)
    return removed


def prune(settings: Settings) -> list[str]:
    """Remove what is left of environments whose owner is gone, and of kept ones that do not work any more.

    Returns:
        The ids of the environments of which something was removed.

    Raises:
        EngineError: the engine cannot be asked.
    """
    removed = tidy(settings)
    for entry in ledger.entries(settings):
        if entry.kept and not _answers(settings, entry) and _try_remove(entry.id, _remove, settings):
            removed.append(entry.id)
    return removed + _prune_orphans(settings)


def _prune_orphans(settings: Settings) -> list[str]:
    """Remove what carries our labels, is in no ledger, and has neither a control plane nor an owner."""
    from harness.cluster.kind import leftovers as kind_leftovers
    from harness.engine import connect, leftovers

    removed = []
    with contextlib.closing(connect()) as client:
        known = {entry.id for entry in ledger.entries(settings)}
        kind = kind_leftovers.find(client)
        for environment_id, cluster in kind.items():
            if environment_id in known or _is_in_use(Path(cluster.ledger), environment_id, cluster.owner):
                continue
            if _try_remove(environment_id, kind_leftovers.remove, client, settings):
                removed.append(environment_id)
        for environment_id, leftover in leftovers.find(client).items():
            # a control plane that runs looks after itself, also for another user's ledger
            if environment_id in known or environment_id in kind or leftover.control_plane:
                continue
            if ledger.alive(ledger.Entry(environment_id, "docker", leftover.owner or _nobody(), "")):
                continue
            if _try_remove(environment_id, leftovers.remove, client):
                removed.append(environment_id)
    return removed


def _try_remove(environment_id: str, remove: Callable[..., object], *where: object) -> bool:
    """Call ``remove(*where, environment_id)``; whether it succeeded.

    What the engine does not remove is logged, and the others are removed all the same.
    """
    try:
        remove(*where, environment_id)
    except NotRemovedError as error:
        _LOG.warning("of environment %s: %s", environment_id, error)
        return False
    return True


def _is_in_use(state: Path, environment_id: str, owner: str) -> bool:
    """Return whether a cluster is in use or kept according to the ledger that it was made with."""
    if ledger.alive(ledger.Entry(environment_id, "kind", owner or _nobody(), "")):
        return True
    try:
        entry = ledger.find_in(state, environment_id) if state.name else None
    except (OSError, EngineError):
        # another user's, or damaged: not ours to judge
        return True
    return entry is not None and entry.kept


def _nobody() -> str:
    return f"0@{socket.gethostname()}"


def _remove(settings: Settings, environment_id: str) -> None:
    """Remove an environment, by its control plane if that answers and by its labels else."""
    from harness.cluster.kind import leftovers as kind_leftovers
    from harness.engine import connect, leftovers

    entry = ledger.find(settings, environment_id)
    if entry and entry.cluster.startswith("context:"):
        from harness.cluster.context.leftovers import remove_entry

        remove_entry(entry)
        ledger.forget(settings, environment_id)
        return
    kind = entry is not None and entry.cluster == "kind"
    if entry and entry.url and not kind:
        with contextlib.suppress(ApiError):
            api = KubeApi(entry.url, token=entry.token)
            api.request("POST", "/harness/shutdown", timeout_s=_SHUTDOWN_S)
    with contextlib.closing(connect()) as client:
        if kind:
            kind_leftovers.remove(client, settings, environment_id)
        else:
            leftovers.remove(client, environment_id)
    ledger.forget(settings, environment_id)


def _answers(settings: Settings, entry: ledger.Entry) -> bool:
    if entry.cluster.startswith("context:"):
        from harness.cluster.context import leftovers

        return leftovers.answers(entry)
    if entry.cluster == "kind":
        from harness.cluster.kind.cluster import answers

        return answers(settings, entry.id)
    try:
        ready = KubeApi(entry.url, token=entry.token).request("GET", "/readyz", timeout_s=10)
    except ApiError:
        return False
    return bool(ready.get("environment") == entry.id)
