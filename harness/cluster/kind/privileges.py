"""Privileged containers, which kind's nodes are, where the machine withholds a capability.

Where CAP_SYS_RESOURCE is not in the bounding set the engine's own runtime refuses a privileged container. The doctor
makes another runtime known to the engine when it starts it (:mod:`harness.doctor.runtime_wrapper`), and a container has
to ask for that. kind knows no option for it, but calls the program ``docker``: it is given one that adds the option.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import engine
from harness.doctor.probe import collect_facts, find_state_folder
from harness.doctor.remedies import RUNTIME, install_runtime_wrapper, wrapper_path
from harness.errors import EngineError

if TYPE_CHECKING:
    from docker import APIClient


def find_runtime(api: APIClient) -> str:
    """Return the runtime that privileged containers need; empty for the default one."""
    known = (api.info().get("Runtimes") or {}).get(RUNTIME)
    if collect_facts().resource_capability or known is None:
        return ""
    program = Path(str(known.get("path", "")))
    if program == wrapper_path(find_state_folder()) and not program.exists():
        # the state folder may be deleted at any time; the engine that was started with it still runs
        install_runtime_wrapper(find_state_folder())
    return RUNTIME


def make_host_options(api: APIClient) -> dict[str, Any]:
    """Return more keys for a privileged container's host configuration than ``privileged``."""
    name = find_runtime(api)
    return {"runtime": name} if name else {}


def advise(api: APIClient) -> str:
    """Return the next step when privileged containers do not start."""
    if RUNTIME in (api.info().get("Runtimes") or {}):
        return "use an engine that runs as root and may start privileged containers"
    return (
        f"CAP_SYS_RESOURCE may be withheld on this machine: stop the engine and let `kaapana-harness doctor --fix` "
        f"start it, which makes the runtime {RUNTIME} known to it"
    )


def docker_command(state: Path) -> Path:
    """Return the program ``docker`` for kind: the one on PATH, or one of ours that calls it with the runtime added.

    Raises:
        EngineError: it is missing, or no engine answers.
    """
    program = shutil.which("docker")
    if program is None:
        raise EngineError(
            "the program docker is not on PATH, and kind calls it",
            fix="install it (Debian, Ubuntu: apt install docker.io or docker-cli)",
        )
    api = engine.connect_api()
    try:
        name = find_runtime(api)
    finally:
        api.close()
    if not name:
        return Path(program)
    folder = state / "kind" / "bin"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "docker"
    quoted = shlex.quote(program)
    text = (
        "#!/bin/sh\n"
        f"# docker for kind: its nodes are privileged, and on this machine that takes the runtime {name}\n"
        'if [ "${1:-}" = run ]; then\n'
        "    shift\n"
        f'    exec {quoted} run --runtime {name} "$@"\n'
        "fi\n"
        f'exec {quoted} "$@"\n'
    )
    if not path.is_file() or path.read_text("utf-8") != text or not os.access(path, os.X_OK):
        part = folder / f".docker.{os.getpid()}"
        part.write_text(text, "utf-8")
        part.chmod(0o700)
        part.replace(path)
    return path
