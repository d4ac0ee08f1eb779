"""Limits of Helm while it renders an untrusted chart.

As a program it starts another one within these limits: ``python -I helm_limits.py OWNER PROGRAM ARGUMENT...``. They
hold from the first instruction on, for what that program starts as well, and it ends with the process OWNER.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import Final

TIMEOUT_S: Final = 20.0
"""Of one verb; a chart of hundreds of objects renders in a tenth of a second."""
MEMORY_BYTES: Final = 1 << 30
MOST_OUTPUT_BYTES: Final = 16 << 20
"""Of rendered text: Kubernetes has no place for a release of more than 1 MiB, compressed."""
_MOST_FILE_BYTES: Final = 256 << 20
CANNOT_START: Final = 127
"""Status of this program when it cannot become the other one."""
_PR_SET_PDEATHSIG: Final = 1
_LIMITS: Final = (
    # limits writable memory only: Go reserves far more than it uses
    (resource.RLIMIT_DATA, MEMORY_BYTES),
    (resource.RLIMIT_FSIZE, _MOST_FILE_BYTES),
    (resource.RLIMIT_CORE, 0),
)


def limit_this_process() -> None:
    """Limit memory and files of the calling process until it ends."""
    for kind, most in _LIMITS:
        resource.setrlimit(kind, _lower(most, resource.getrlimit(kind)[1]))


def start(command: list[str], owner: int) -> None:
    """Replace this process by a program, within the limits and not beyond the end of the owner; never return."""
    limit_this_process()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != owner:
        sys.exit(CANNOT_START)
    try:
        os.execv(command[0], command)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(CANNOT_START)


def _lower(most: int, hard: int) -> tuple[int, int]:
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    return allowed, allowed


if __name__ == "__main__":
    start(sys.argv[2:], int(sys.argv[1]))
