"""Folders for data that is too large for a small ``/tmp``. They are removed soon after a process is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.common.locking import hold_lock

_PREFIX = "scratch-"


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for the length of the block; those of processes that were killed are removed at the next call.

    Each is locked by its process, and the kernel drops the lock with it.

    Args:
        parent: a folder that has nothing but these; it is created.
    """
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with hold_lock(parent / "lock", purpose=f"making a folder in {parent}"):
        for left in parent.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                os.close(_lock(left))
                shutil.rmtree(left)
        own = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = _lock(own)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int:
    """Lock a folder; ``OSError`` where another process has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
