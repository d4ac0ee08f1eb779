"""Write files that survive any end of the process: flushed before the acknowledgement."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

# a disk takes several at once in the time of one
_POOL: Final = ThreadPoolExecutor(8, "sync")


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on disk.

    Raises:
        OSError: they are not, as on a full disk.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(paths: Iterable[Path]) -> None:
    """Sync many paths at once, as :func:`sync` does.

    Raises:
        OSError: one of them is not on disk.
    """
    for _ in _POOL.map(sync, list(paths)):
        pass


@contextlib.contextmanager
def sync_while(path: Path) -> Iterator[None]:
    """Flush a file to disk during the block, and wait for it at the end of the block.

    Raises:
        OSError: it is not on disk.
    """
    pending = _POOL.submit(sync, path)
    try:
        yield
    finally:
        pending.result()


def make_folder(path: Path, root: Path) -> None:
    """Make a folder below ``root``, with the folders between them, such that it stays."""
    missing = []
    while path != root and not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        sync(folder.parent)
