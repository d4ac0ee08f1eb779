"""Find out whether this process is in a container of its engine, outside of the network of the engine's machine.

Build servers and development containers mount the engine's socket into the container that a job runs in. Its
containers are then siblings of that one, and ports that the engine publishes on its machine's loopback address are not
reached from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Inspect = Callable[[str], "dict[str, Any] | None"]

# Docker mounts these files of a container's own folder into it, with both versions of control groups; while it copies
# files of a container (docker cp), the engine's machine has these mounts, too, below the container's root
_OWN_FILE = re.compile(r"/containers/([0-9a-f]{64})/(hostname|hosts|resolv\.conf) /etc/\2\s")
_MOUNTS = Path("/proc/self/mountinfo")


def find_own_container(mounts: Path = _MOUNTS) -> str:
    """Return the id of the container that this process is in, '' outside of any, or where its engine is not Docker."""
    try:
        found = _OWN_FILE.search(mounts.read_text("utf-8", "replace"))
    except OSError:
        return ""
    return found[1] if found else ""


def find_enclosing(container: str, inspect: Inspect) -> str:
    """Return the name of the container that confines this process to its network.

    Args:
        container: id of the container that this process is in.
        inspect: returns what the engine says of a container, ``None`` for one that it does not have (this process is
            then in a container of another engine, or the engine is in the same container).

    Returns:
        '' where the network is that of the engine's machine, or the engine does not have the container.
    """
    joined, seen = container, set()
    record = inspect(container)
    name = str(record["Name"]).lstrip("/") if record else ""
    while record is not None and joined not in seen:
        seen.add(joined)
        kind, _, joined = str(record["HostConfig"]["NetworkMode"]).partition(":")
        if kind == "host":
            return ""
        if kind != "container":
            return name
        record = inspect(joined)
    return name
