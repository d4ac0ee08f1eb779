"""One lock for things that several processes of one user prepare once (standard library only)."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.common.progress import OnProgress
from harness.errors import PlatformError
from harness.wire.polling import Polling

if TYPE_CHECKING:
    from harness.settings.builds import BuildSettings

_POLL_S = 0.05


@contextlib.contextmanager
def hold_lock(
    path: Path, *, timeout_s: float = 600.0, purpose: str = "", on_wait: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (created on demand, never removed: removing it would split the lock).

    The kernel drops the lock with its holder, also when that is killed, so there is nothing to clean up.

    Args:
        path: the lock file; its folder is created.
        timeout_s: seconds to wait for another holder.
        purpose: what the holder does, for the error text.
        on_wait: called once before waiting for another holder.

    Raises:
        PlatformError: another process still holds the lock after ``timeout_s``; its process id is named.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    polling = Polling(timeout_s=timeout_s, pause_s=_POLL_S)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if on_wait is not None:
                    on_wait()
                    on_wait = None
                if not polling.again():
                    holder = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip() or "unknown"
                    raise PlatformError(
                        f"{purpose or path.name}: another process has held it for {timeout_s:.0f} s",
                        last_seen=f"process {holder} holds {path}",
                        fix="wait for that process, or end it",
                    ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lock_image(name: str, settings: BuildSettings, on_line: OnProgress | None = None) -> Iterator[None]:
    """Hold the lock of an image that is made: one builder at a time, of all processes and threads of this user.

    The engine is shared by all that this user runs, so the files are in the state folder and not in a cache that
    may be chosen per run. Who has to wait for another says so to ``on_line``.

    Raises:
        PlatformError: another process has been making it for longer than a build may take (``build_timeout``).
    """
    folder = settings.state / "locks"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def report_wait() -> None:
        if on_line is not None:
            on_line(f"another process makes {name}; waiting for it")

    path, purpose = folder / f"{name}.lock", f"making the image {name}"
    with hold_lock(path, timeout_s=settings.build_timeout, purpose=purpose, on_wait=report_wait):
        yield
