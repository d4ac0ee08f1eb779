"""What a forked child must not keep open: a child that lives on would keep the environment of its parent alive."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class OwnersHandle(Protocol):
    """What tells an environment that its owner is alive as long as a process has it open."""

    def forget(self) -> None:
        """Close this process's copy only."""


_handles: weakref.WeakSet[OwnersHandle] = weakref.WeakSet()


def forget_when_forked(handle: OwnersHandle) -> None:
    """Have every child that this process forks forget a handle, as long as the handle exists."""
    _handles.add(handle)


def _after_fork() -> None:
    for handle in list(_handles):
        handle.forget()


os.register_at_fork(after_in_child=_after_fork)
