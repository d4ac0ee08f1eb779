"""The program ``docker``, which kind calls. The harness itself speaks to the engine without it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from harness.doctor.client_environment import make_client_environment

_TIMEOUT_S = 10.0


def find_problem(environ: Mapping[str, str]) -> str:
    """Return why the user's ``docker`` does not reach the engine, in its own words; empty if it does.

    One that is older than the oldest version of the engine's API is refused by every request.
    """
    program = shutil.which("docker", path=environ.get("PATH", os.defpath))
    if program is None:
        return "the program is not on PATH"
    command = [program, "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(
            command,
            env=make_client_environment(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} cannot be run: {error}"
    words = " ".join(done.stderr.decode("utf-8", "replace").split())
    return "" if done.returncode == 0 else f"{program} says: {words or f'exit status {done.returncode}'}"
