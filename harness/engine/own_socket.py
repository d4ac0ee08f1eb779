"""Where the engine's socket is on the engine's own machine, from which a container mounts it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.doctor import require_engine
from harness.doctor.address import DEFAULT_SOCKET
from harness.errors import EngineError

_Result = TypeVar("_Result")


def try_candidates(start: Callable[[str], _Result], clean_up: Callable[[], object]) -> _Result:
    """Call ``start`` with one candidate after another until one works, and return its result.

    Args:
        start: starts a container that mounts the socket from a path, and checks that it reaches the engine.
        clean_up: removes that container.

    Raises:
        docker.errors.APIError, EngineError: no candidate works; the error of the first one is raised.
    """
    import docker.errors

    likeliest, *others = list_candidates()
    try:
        return start(likeliest)
    except (docker.errors.APIError, EngineError):
        for other in others:
            clean_up()
            with contextlib.suppress(docker.errors.APIError, EngineError):
                return start(other)
        raise


def list_candidates() -> list[str]:
    """Return the paths at which it may be, the likeliest first.

    A client of a virtual machine (Docker Desktop, Colima, Rancher Desktop) has the end of a tunnel in its home folder;
    the engine's own socket is at Docker's default place, within the machine.

    Raises:
        EngineError: no engine answers.
    """
    # a mount of a symbolic link would follow it on the engine's machine
    here = str(Path(require_engine().socket).resolve())
    return [here] if here == str(Path(DEFAULT_SOCKET).resolve()) else [here, DEFAULT_SOCKET]
