"""Finding the Docker engine, and saying precisely why it cannot be used."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.errors import EngineError

if TYPE_CHECKING:
    import docker

_DEFAULT_SOCKET = "/var/run/docker.sock"
# Docker 20.10: the control plane speaks this version
_API = (1, 41)


def socket_path(environ: dict[str, str] | None = None) -> Path:
    """The engine's socket, from ``DOCKER_HOST`` or the usual place.

    Raises:
        EngineError: ``DOCKER_HOST`` names something else than a Unix socket.
    """
    host = (os.environ if environ is None else environ).get("DOCKER_HOST", "")
    if not host:
        return Path(_DEFAULT_SOCKET)
    parts = urlsplit(host)
    if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
        return Path(parts.path)
    if parts.scheme in ("tcp", "ssh", "http", "https", "npipe"):
        raise EngineError(
            f"DOCKER_HOST={host} is not an engine on this machine",
            fix="unset DOCKER_HOST, or set it to unix:///path/to/docker.sock: ports are published on 127.0.0.1",
        )
    raise EngineError(f"DOCKER_HOST={host!r} cannot be read", fix="set it to unix:///path/to/docker.sock, or unset it")


def connect(*, timeout_s: int = 60) -> docker.DockerClient:
    """A client of the local engine.

    Raises:
        EngineError: no socket, no right to use it, nobody listening, or too old an engine; each with its fix.
    """
    import docker
    import docker.errors

    path = socket_path()
    _check(path)
    try:
        client = docker.DockerClient(base_url=f"unix://{path}", timeout=timeout_s, version="auto")
    except docker.errors.DockerException as error:
        raise EngineError(
            f"no Docker engine answers at {path}",
            last_seen=str(error),
            fix="start it: `sudo systemctl start docker`, or Docker Desktop",
        ) from None
    version = client.api.api_version
    if tuple(int(part) for part in version.split(".")[:2]) < _API:
        client.close()
        raise EngineError(
            f"the Docker engine at {path} is too old: its API is {version}, 1.41 is needed",
            fix="install Docker 20.10 or later",
        )
    return client


def stopped(client: docker.DockerClient, container: str, what: str) -> str:
    """Why a container that the cluster cannot do without does not run, in one line; empty when it runs.

    Args:
        client: the engine.
        container: its name.
        what: it is for the author.
    """
    import docker.errors
    import requests

    try:
        state = client.api.inspect_container(container)["State"]
    except docker.errors.NotFound:
        return f"{what} is gone: there is no container {container} any more"
    except (docker.errors.APIError, requests.RequestException) as error:
        return f"the container engine does not answer: {str(error).splitlines()[0]}"
    if state["Running"] and not state["Paused"]:
        return ""
    if state["Paused"]:
        return f"{what} is paused: `docker unpause {container}`"
    why = "out of memory" if state["OOMKilled"] else f"exit status {state['ExitCode']}"
    return f"{what} has stopped ({why}): container {container}"


def _check(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise EngineError(
            f"no Docker engine: there is no socket {path}",
            fix="install Docker and start it (`sudo systemctl start docker`), or name its socket in DOCKER_HOST",
        ) from None
    except PermissionError:
        raise EngineError(f"{path} may not be looked at by this user", fix=_group_fix(path.parent)) from None
    if not stat.S_ISSOCK(mode):
        raise EngineError(f"{path} is not a socket", fix="set DOCKER_HOST to the engine's socket, or unset it")
    if not os.access(path, os.R_OK | os.W_OK):
        raise EngineError(f"permission denied on the engine's socket {path}", fix=_group_fix(path))


def _group_fix(path: Path) -> str:
    import grp

    try:
        group = grp.getgrgid(path.stat().st_gid).gr_name
    except (KeyError, OSError):
        group = "docker"
    return f"join the group {group}: `sudo usermod -aG {group} $USER`, then log in again"
