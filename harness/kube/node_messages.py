"""Recognize facts that nodes, engines and registries give in words only.

This is the only place where their words are matched. The docker cluster publishes the same facts as annotations.
"""

from __future__ import annotations

import re
from typing import Final

from harness.wire.pulls import PullProblem

EPHEMERAL_STORAGE: Final = "ephemeral-storage"
"""The disk of a node, as Kubernetes calls it."""

# messages of engines, containerd and registries about a missing or wrong login, and about a host that does not answer
_UNAUTHORIZED: Final = re.compile(
    "unauthorized|authorization failed|no basic auth credentials|authentication required", re.IGNORECASE
)
_UNREACHED: Final = re.compile(
    r"connection refused|connection reset|connection timed out|no route to host|network is unreachable|i/o timeout|"
    r"no such host|server misbehaving|name resolution|TLS handshake timeout|deadline exceeded|Client\.Timeout|"
    r"request canceled while waiting for connection"
)


def is_low_on_disk(message: str) -> bool:
    """Return whether a kubelet ended a pod because its node's disk ran full."""
    return EPHEMERAL_STORAGE in message


def find_pull_problem(message: str) -> PullProblem:
    """Return why an image could not be pulled or pushed, by the message of a kubelet or an engine."""
    if _UNAUTHORIZED.search(message):
        return PullProblem.UNAUTHORIZED
    return PullProblem.UNREACHED if _UNREACHED.search(message) else PullProblem.OTHER
