"""The C++ compiler that an interpreter needs for which a dependency has no built package yet."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness.bootstrap.environment import Machine
from harness.errors import PlatformError

PACKAGES: Final = ("g++", "python3-dev")
_PROGRAMS: Final = ("c++", "g++", "clang++")
# highdicom needs pyjpegls, which has built packages up to Python 3.13 (1.5.1, 2026-11-30)
_FIRST_WITHOUT_PACKAGE: Final = (3, 14)


def is_wanted(version: tuple[int, int] = sys.version_info[:2]) -> bool:
    """Return whether a dependency is compiled for this version of Python."""
    return version >= _FIRST_WITHOUT_PACKAGE


def has_headers() -> bool:
    """Return whether this interpreter's headers are there."""
    return (Path(sysconfig.get_path("include")) / "Python.h").is_file()


def provide(host: Machine, say: Callable[[str], None], *, headers: bool) -> None:
    """Install a C++ compiler and Python's headers if one of them is missing.

    Args:
        host: this machine.
        say: receives a line about the installation.
        headers: Python's headers are there.

    Raises:
        PlatformError: they are missing, and only the user can install them.
    """
    compiler = any(host.program(program) for program in _PROGRAMS)
    if compiler and headers:
        return
    if not (host.root and host.apt):
        missing = "Python.h" if compiler else "a C++ compiler"
        version = ".".join(map(str, sys.version_info[:2]))
        raise PlatformError(
            f"{missing} is missing: a dependency (pyjpegls) has no built package for Python {version}",
            fix=f"sudo apt-get install -y {' '.join(PACKAGES)}, or use Python 3.13 or older",
        )
    say(f"installing {' and '.join(PACKAGES)} (apt-get), which a dependency is compiled with")
    host.install(PACKAGES)
