"""Privileged containers, which kind's nodes are, where the machine withholds a capability.

Where CAP_SYS_RESOURCE is not in the bounding set the engine's own runtime refuses a privileged container. The doctor
makes another runtime known to the engine when it starts it (:mod:`harness.doctor.runtime_wrapper`), and a container has
to ask for that. kind knows no option for it, but calls the program ``docker``: it is given one that adds the option,
and the one for logs that can be read, because kind waits for a line in the log of a node.
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
from harness.errors import EngineError, PlatformError
from harness.wire import container_logs

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


def start(api: APIClient, container: str, error: type[PlatformError]) -> None:
    """Start a privileged container: it may be the first one that the engine is asked for.

    Raises:
        PlatformError: the engine refuses it; ``error`` is the class.
    """
    import docker.errors

    try:
        api.start(container)
    except docker.errors.APIError as refusal:
        raise error(
            "the engine does not start a privileged container, which a kind node is",
            last_seen=engine.read_message(refusal),
            fix=advise(api),
        ) from None


def advise(api: APIClient) -> str:
    """Return the next step when privileged containers do not start."""
    if RUNTIME in (api.info().get("Runtimes") or {}):
        return "use an engine that runs as root and may start privileged containers"
    return (
        f"CAP_SYS_RESOURCE may be withheld on this machine: stop the engine and let `kaapana-harness doctor --fix` "
        f"start it, which makes the runtime {RUNTIME} known to it"
    )


def _find_options(api: APIClient) -> list[str]:
    """Return the options of ``docker run`` that a node needs and kind does not give."""
    name = find_runtime(api)
    unusual_log = api.info().get("LoggingDriver", container_logs.DRIVER) != container_logs.DRIVER
    return [
        *(["--runtime", name] if name else []),
        *(["--log-driver", container_logs.DRIVER] if unusual_log else []),
    ]


def docker_command(state: Path) -> Path:
    """Return the program ``docker`` for kind: the one on PATH, or one of ours that calls it with options added.

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
        added = _find_options(api)
    finally:
        api.close()
    if not added:
        return Path(program)
    folder = state / "kind" / "bin"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "docker"
    quoted = shlex.quote(program)
    text = (
        "#!/bin/sh\n"
        "# docker for kind: what its nodes need of this engine\n"
        'if [ "${1:-}" = run ]; then\n'
        "    shift\n"
        f'    exec {quoted} run {shlex.join(added)} "$@"\n'
        "fi\n"
        f'exec {quoted} "$@"\n'
    )
    if not path.is_file() or path.read_text("utf-8") != text or not os.access(path, os.X_OK):
        part = folder / f".docker.{os.getpid()}"
        part.write_text(text, "utf-8")
        part.chmod(0o700)
        part.replace(path)
    return path
