"""Become another program that ends with the process that started it, also when that is killed.

Run as a separate file, with the standard library only: ``owned_process.py OWNER PROGRAM ARGUMENT ...``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_CANNOT_START: Final = 127


def main(owner: int, command: list[str]) -> None:
    """Replace this process by ``command``; does not return."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != owner:
        sys.exit(_CANNOT_START)
    try:
        os.execv(command[0], command)
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(_CANNOT_START)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
