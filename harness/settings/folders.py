"""The folders of the harness, made when they are first used."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from harness.errors import UsageError
from harness.settings.variables import STATE_DIR

_NAME = "kaapana-harness"


def cache(chosen: Path | None, where: str) -> Path:
    """Return the cache folder.

    Args:
        chosen: by the user.
        where: how to choose another one.

    Raises:
        UsageError: it cannot be used.
    """
    return _make(chosen or Path(platformdirs.user_cache_dir(_NAME)), "cache", where, mode=0o777)


def state() -> Path:
    """Return the folder of the ledger of environments, which only its user can read.

    Raises:
        UsageError: it cannot be used.
    """
    return _make(Path(STATE_DIR.read() or platformdirs.user_state_dir(_NAME)), "state", STATE_DIR.name, mode=0o700)


def _make(path: Path, use: str, where: str, *, mode: int) -> Path:
    # some of our processes have another working directory
    path = path.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(None, "it may not be written")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"the {use} folder {path} cannot be used: {reason}", fix=f"choose another one with {where}"
        ) from None
    return path
