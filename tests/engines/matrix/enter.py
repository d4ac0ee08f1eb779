"""Become a program in another root file system, in a separate mount namespace.

``chroot`` would not do: a runtime that joins a container's namespaces resolves paths from the root of its own mounts.

    python -m tests.engines.matrix.enter ORDER     ORDER is a JSON object, see Order
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Final

# Linux, mount(2), umount2(2), pivot_root(2)
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2
_SYS_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclasses.dataclass(frozen=True)
class Order:
    """What is to be done.

    Attributes:
        root: the folder that becomes ``/``.
        binds: folders and files of the machine by their paths in the new root.
        command: what runs there.
        environment: its variables, and no others.
    """

    root: str
    binds: dict[str, str]
    command: list[str]
    environment: dict[str, str]


def main(order: Order) -> None:
    """Carry it out; does not return."""
    root = Path(order.root)
    _mount("", "/", "", _MS_REC | _MS_PRIVATE)
    # the root of a namespace has to be a mount; the engine's builder asks for that, too
    _mount(str(root), str(root), "", _MS_BIND)
    for folder, kind in (("proc", "proc"), ("sys", "sysfs"), ("run", "tmpfs")):
        _mount(kind, str(root / folder), kind, 0)
    binds = {"/dev": "/dev", "/sys/fs/cgroup": "/sys/fs/cgroup", **order.binds}
    for inside, outside in binds.items():
        place = root / inside.lstrip("/")
        if Path(outside).is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        _mount(outside, str(place), "", _MS_BIND | _MS_REC)
    # podman keeps its locks there
    _mount("tmpfs", str(root / "dev/shm"), "tmpfs", 0)
    os.chdir(root)
    _check(_LIBC.syscall(_SYS_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    # the old root lies on the new one; what is below goes with it
    _check(_LIBC.umount2(b".", _MNT_DETACH), "umount")
    os.chdir("/")
    os.execvpe(order.command[0], order.command, order.environment)


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    done = _LIBC.mount(os.fsencode(source), os.fsencode(target), os.fsencode(kind), ctypes.c_ulong(flags), None)
    _check(done, f"mount {source} on {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main(Order(**json.loads(sys.argv[1])))
