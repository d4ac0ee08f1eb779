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
    with contextlib.ExitStack() as stack:
        with hold_lock(parent / "lock", purpose=f"making a folder in {parent}"):
            own = stack.enter_context(folder_among_others(parent, _PREFIX))
        yield own


@contextlib.contextmanager
def folder_among_others(parent: Path, prefix: str) -> Iterator[Path]:
    """Do the same in a folder that others use too, such as ``/tmp``; two calls at the same time are not safe.

    Args:
        parent: a folder that exists.
        prefix: of the folder's name, which nothing else of this user has there.
    """
    for left in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if left.lstat().st_uid == os.getuid():
                os.close(_lock(left))
                shutil.rmtree(left)
    own = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    lock = _lock(own)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int:
    """Lock a folder; ``OSError`` where another process has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
