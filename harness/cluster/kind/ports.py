"""Ports of the loopback address for a node: free, and not from those that the kernel and the engine hand out.

kind itself would take some of the latter, and find one of them taken when it starts the node a moment later.
"""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Sequence
from pathlib import Path

_HANDED_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
# below the node ports of a Kubernetes on this machine
_CANDIDATES = range(20_000, 30_000)


def choose(count: int, candidates: Sequence[int] = _CANDIDATES, handed_out: Path = _HANDED_OUT) -> list[int]:
    """Return free ports in random order; zeros, for which kind chooses, where there are too few.

    Args:
        count: how many.
        candidates: the ports to choose from.
        handed_out: file with the first and the last port that the kernel hands out.
    """
    first, last = _read_range(handed_out)
    others = [port for port in candidates if not first <= port <= last]
    chosen: list[int] = []
    for port in random.sample(others, len(others)):
        if len(chosen) == count:
            return chosen
        if _is_free(port):
            chosen.append(port)
    return chosen if len(chosen) == count else [0] * count


def _read_range(path: Path) -> tuple[int, int]:
    with contextlib.suppress(OSError, ValueError):
        first, last = map(int, path.read_text("ascii").split())
        return first, last
    return 0, 65535


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
