"""Choose one of the environments that were left running."""

from __future__ import annotations

from pathlib import Path

from harness.cluster import ledger
from harness.errors import PlatformError, UsageError


def choose(state: Path, environment_id: str | None = None) -> ledger.Entry:
    """Return the environment of an id; without one the only running environment.

    Raises:
        UsageError: there is no such environment, it is not one that was left running, or one of several must be named.
        PlatformError: none was left running.
    """
    entries = ledger.read_entries(state)
    listed = "\n".join(map(str, entries)) or "no environment"
    kept = [entry for entry in entries if entry.kept]
    if environment_id is not None:
        found = next((entry for entry in entries if entry.id == environment_id), None)
        if found is None:
            raise UsageError(
                f"there is no environment {environment_id!r}",
                last_seen=listed,
                fix="`kaapana-harness status` lists them",
            )
        if not found.kept:
            raise UsageError(
                f"the environment {environment_id} belongs to the process that made it",
                last_seen=listed,
                fix="`kaapana-harness up` starts one that stays, and so does `pytest --kaapana-reuse`",
            )
        return found
    if not kept:
        raise PlatformError("no environment was left running", fix="`kaapana-harness up` starts one that stays")
    if len(kept) > 1:
        raise UsageError(f"{len(kept)} environments were left running: name one", last_seen=listed)
    return kept[0]
