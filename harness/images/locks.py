"""One builder at a time for one image: a lock between processes."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.settings import Settings


@contextlib.contextmanager
def lock(name: str, settings: Settings, on_line: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock ``name``; another process (or thread) that wants it waits, and says so to ``on_line``.

    The engine is shared by all that this user runs, so the files lie in the state folder and not in a cache that
    may be chosen per run. The kernel releases the lock when the process ends, however it ends.
    """
    folder = settings.state / "locks"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_line is not None:
                on_line(f"another process makes {name}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
