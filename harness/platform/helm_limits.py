"""Limits of Helm while it renders an untrusted chart."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

TIMEOUT_S: Final = 20.0
"""Of one verb; a chart of hundreds of objects renders in a tenth of a second."""
MEMORY_BYTES: Final = 1 << 30
MOST_OUTPUT_BYTES: Final = 16 << 20
"""Of rendered text: Kubernetes has no place for a release of more than 1 MiB, compressed."""
_MOST_FILE_BYTES: Final = 256 << 20
_LIMITS: Final = (
    # of what it can write to: Go reserves far more than it uses
    (resource.RLIMIT_DATA, MEMORY_BYTES),
    (resource.RLIMIT_FSIZE, _MOST_FILE_BYTES),
    (resource.RLIMIT_CORE, 0),
)


def limit_this_process() -> None:
    """Bound memory and files of the calling process, for good."""
    for kind, most in _LIMITS:
        resource.setrlimit(kind, _lower(most, resource.getrlimit(kind)[1]))


def limit_process(pid: int) -> None:
    """Bound memory and files of a child; one that has ended already needs none."""
    with contextlib.suppress(ProcessLookupError):
        for kind, most in _LIMITS:
            resource.prlimit(pid, kind, _lower(most, resource.getrlimit(kind)[1]))


def _lower(most: int, hard: int) -> tuple[int, int]:
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    return allowed, allowed
