"""Ask the container engine for its properties, without a client library."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from harness.doctor import own_container
from harness.doctor.address import Address, find_address
from harness.doctor.facts import EngineFacts, Inside

_TIMEOUT_S = 5.0
# of an engine that has said its version: it counts containers and images for the rest, and asks others
_FURTHER_S = 30.0
_MOST_BYTES = 1 << 20
# of Linux, without the byte that ends it
_LONGEST_PATH = 107
_ROOTLESS = "rootlesskit"
_LIMITS: Final = {"memory": "MemoryLimit", "processes": "PidsLimit", "processors": "CpuCfsQuota"}
# the engine's own containerd keeps its data in the engine's folder
_SYSTEM_CONTAINERD: Final = "/run/containerd/containerd.sock"
_SYSTEM_CONTAINERD_ROOT: Final = "/var/lib/containerd"
_LONGEST_MESSAGE: Final = 300
# names of the kernel, which some services give instead of those of images
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_TCP = "pods and ports need an engine on this machine, asked over its socket; a port may be a tunnel to another one"
# docker-py cuts the path of a socket there
_SEPARATORS: Final = "#?"
_SSH = "it is on another machine: pods and ports need an engine on this one"


def ask_engine(environ: Mapping[str, str], *, inside: bool = False) -> EngineFacts:
    """Return the state of the engine that the user's ``docker`` uses. Never raises.

    Args:
        environ: the environment variables, see :func:`harness.doctor.address.find_address`.
        inside: ask for more than its version; takes it some milliseconds.
    """
    address = find_address(environ)
    found = _ask(address, inside)
    return dataclasses.replace(found, context=address.context, way_out=address.way_out)


def _ask(address: Address, inside: bool) -> EngineFacts:
    url = address.url
    if not url:
        return EngineFacts(url, "unnamed", detail=address.problem)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return EngineFacts(url, "unnamed", detail=f"{_describe(address)} cannot be read: {error}")
    if url.startswith("unix:///"):
        path = url.removeprefix("unix://")
        if (length := len(os.fsencode(path))) > _LONGEST_PATH:
            detail = f"{_describe(address)} has {length} bytes; the path of a socket may have {_LONGEST_PATH}"
            return EngineFacts(url, "unnamed", detail=detail)
        if sign := next((sign for sign in _SEPARATORS if sign in path), ""):
            detail = f"{_describe(address)} has the sign {sign!r}, which separates parts of an address"
            return EngineFacts(url, "unnamed", detail=detail)
        return _answer(url, _UnixConnection(path), inside)
    if parts.scheme in {"tcp", "http", "https"}:
        return EngineFacts(url, "remote", detail=_TCP)
    if parts.scheme == "ssh":
        return EngineFacts(url, "remote", detail=_SSH)
    if parts.scheme in {"npipe", "fd"}:
        return EngineFacts(url, "remote", detail=f"no engine is asked by {parts.scheme}:// here")
    return EngineFacts(url, "unnamed", detail=f"{_describe(address)} cannot be read: it is not an address of an engine")


def _describe(address: Address) -> str:
    if address.context:
        return f"{address.url!r} of the context {address.context}"
    return f"{address.origin.value}={address.url!r}"


def find_rootless_socket(environ: Mapping[str, str]) -> str:
    """Return the socket of an engine that this user runs without root, '' without one."""
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    path = Path(runtime, "docker.sock")
    try:
        return str(path) if path.is_socket() else ""
    except OSError:
        return ""


def _answer(address: str, connection: http.client.HTTPConnection, inside: bool) -> EngineFacts:
    try:
        status, body = _get(connection, "/version")
        # Something that is not an engine may answer in its place (an intercepting proxy does): only the body decides.
        try:
            answer = json.loads(body)
            engine = _engine(address, answer)
        except (ValueError, KeyError, TypeError, AttributeError):
            return EngineFacts(address, "foreign", detail=f"status {status}, {_read_message(body)}")
        # only the rest shows whether a rootless engine is usable
        return _ask_further(connection, engine, inside or _ROOTLESS in _parts(answer)) if engine.spoken else engine
    except PermissionError:
        return EngineFacts(address, "denied")
    except TimeoutError:
        return EngineFacts(address, "silent", detail=f"/version has no answer after {_TIMEOUT_S:g} s")
    except BlockingIOError:
        return EngineFacts(address, "silent", detail="it accepts no further connection")
    except (FileNotFoundError, ConnectionRefusedError) as error:
        return EngineFacts(address, "down", detail=_explain(address, error))
    except (OSError, http.client.HTTPException) as error:
        return EngineFacts(address, "down", detail=str(error) or type(error).__name__)
    finally:
        connection.close()


def _ask_further(connection: http.client.HTTPConnection, engine: EngineFacts, inside: bool) -> EngineFacts:
    """Return the facts about an engine with those beside its version, as far as it gives them in time."""
    connection.close()
    connection.timeout = _FURTHER_S
    try:
        if inside:
            engine = dataclasses.replace(engine, inside=_describe_inside(connection, engine.spoken))
    except (OSError, http.client.HTTPException) as error:
        why = f" after {_FURTHER_S:g} s" if isinstance(error, TimeoutError) else f": {error or type(error).__name__}"
        engine = dataclasses.replace(engine, unanswered=f"/info has no answer{why}")
        # the next question needs a connection on which no answer is awaited
        connection.close()
    with contextlib.suppress(OSError, http.client.HTTPException):
        if container := own_container.find_own_container():
            engine = dataclasses.replace(engine, enclosing=_find_enclosing(connection, engine.spoken, container))
    return engine


def _explain(address: str, error: OSError) -> str:
    path = Path(address.removeprefix("unix://"))
    if isinstance(error, FileNotFoundError):
        return f"there is no socket {path}"
    return f"no process listens on the socket {path}" if path.is_socket() else f"{path} is not a socket"


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path, headers={"Host": "docker"})
    response = connection.getresponse()
    return response.status, response.read(_MOST_BYTES)


def _parts(answer: dict[str, Any]) -> set[str]:
    return {str(part.get("Name")) for part in answer.get("Components") or ()}


def _read_message(body: bytes) -> str:
    """Return the words of a refusal, as an engine or a proxy before it gives them; otherwise the beginning."""
    try:
        return repr(str(json.loads(body)["message"])[:_LONGEST_MESSAGE])
    except (ValueError, LookupError, TypeError):
        return repr(body[:60])


def _engine(address: str, answer: dict[str, Any]) -> EngineFacts:
    architecture = str(answer.get("Arch") or "amd64")
    return EngineFacts(
        address,
        "up",
        version=str(answer["Version"]),
        api=str(answer["ApiVersion"]),
        minimum=str(answer.get("MinAPIVersion") or ""),
        system=str(answer.get("Os") or "linux"),
        architecture=_ARCHITECTURES.get(architecture, architecture),
        product="Podman" if any(name.startswith("Podman") for name in _parts(answer)) else "Docker",
    )


def _describe_inside(connection: http.client.HTTPConnection, version: str) -> Inside | None:
    """Return the facts that an engine reports about itself; ``None`` if it does not report them."""
    _, body = _get(connection, f"/v{version}/info")
    try:
        info = json.loads(body)
        security = info.get("SecurityOptions") or ()
        status = {str(entry[0]): str(entry[1]) for entry in info.get("DriverStatus") or ()}
        containerd = status.get("driver-type", "").startswith("io.containerd")
        root = str(info.get("DockerRootDir") or "")
        service = str((info.get("Containerd") or {}).get("Address") or "")
        return Inside(
            driver=str(info["Driver"]),
            backing=status.get("Backing Filesystem", ""),
            containerd=containerd,
            root=root,
            image_root=_SYSTEM_CONTAINERD_ROOT if containerd and service == _SYSTEM_CONTAINERD else root,
            memory=int(info.get("MemTotal") or 0),
            cgroups=str(info.get("CgroupVersion") or ""),
            grouped=info.get("CgroupDriver") != "none",
            unlimited=tuple(what for what, field in _LIMITS.items() if info.get(field) is False),
            rootless="name=rootless" in security,
            remapped="name=userns" in security,
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _find_enclosing(connection: http.client.HTTPConnection, version: str, container: str) -> str:
    def inspect(name: str) -> dict[str, Any] | None:
        status, body = _get(connection, f"/v{version}/containers/{name}/json")
        return json.loads(body) if status == http.client.OK else None

    try:
        return own_container.find_enclosing(container, inspect)
    except (ValueError, KeyError, TypeError):
        return ""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
