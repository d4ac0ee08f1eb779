"""Ports for a program of the services, which counts them from a base that is set before it starts."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

_COUNT = 7


@contextlib.contextmanager
def claim_ports() -> Iterator[int]:
    """Yield a base with free ports above it, which no other test of this machine gets at the same time."""
    for base in range(30_000, 32_000, 10):
        # an abstract name of a socket belongs to one process, and ends with it
        with socket.socket(socket.AF_UNIX) as claim:
            try:
                claim.bind(f"\0kaapana-harness-tests-{base}")
                for port in range(base, base + _COUNT):
                    socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                continue
            yield base
            return
    raise AssertionError("no free ports")
