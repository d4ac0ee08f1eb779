"""What is missing on this machine, the command that fixes it, and (as root) the fixing itself.

Standard library only: the set-up calls it before any dependency of the harness is installed.

* :func:`examine`: the checks, one :class:`Check` each, nothing is changed.
* :func:`fix`: the same, after everything that may be fixed without asking was fixed.
* :func:`require_engine`: a quick look at the container engine alone, for those about to use it.
* :func:`preflight`: what images are made with, before the first one.
* :func:`require_nodes`: what nodes of kind need, before their image is made.
* ``python3 -m harness.doctor [--fix]``: the above from a shell; exit status 0 or 3.
"""

from __future__ import annotations

from harness.doctor.checks import Check, decide
from harness.doctor.command import examine, fix, main, preflight, require_engine, require_nodes
from harness.doctor.facts import EngineFacts, Facts

__all__ = [
    "Check",
    "EngineFacts",
    "Facts",
    "decide",
    "examine",
    "fix",
    "main",
    "preflight",
    "require_engine",
    "require_nodes",
]
