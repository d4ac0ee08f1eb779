"""Ask the container engine for its version, without a client library."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from harness.doctor.facts import Engine

DEFAULT_SOCKET = "/var/run/docker.sock"
_TIMEOUT_S = 5.0


def ask_engine(environ: Mapping[str, str]) -> Engine:
    """The state of the engine that ``DOCKER_HOST`` names, the local one by default. Never raises."""
    address = environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    parts = urlsplit(address)
    if parts.scheme == "unix":
        path = parts.netloc + parts.path
        return _answer(address, _UnixConnection(path))
    if parts.scheme in {"tcp", "http", "https"}:
        if parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            return Engine(address, "remote", detail="containers are reached on this machine's loopback address")
        try:
            connection = _tcp_connection(parts.hostname, parts.port or 2375, environ)
        except (OSError, ValueError) as error:  # certificates missing or unreadable, port out of range
            return Engine(address, "down", detail=str(error))
        return _answer(address, connection)
    return Engine(address, "remote", detail=f"engines behind {parts.scheme}:// are not supported")


def rootless_socket(environ: Mapping[str, str]) -> str:
    """The socket of an engine that this user runs without root, '' where there is none."""
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    for name in ("docker.sock", "podman/podman.sock"):
        path = Path(runtime, name)
        try:
            if path.is_socket():
                return str(path)
        except OSError:
            continue
    return ""


def _answer(address: str, connection: http.client.HTTPConnection) -> Engine:
    try:
        connection.request("GET", "/version", headers={"Host": "docker"})
        response = connection.getresponse()
        body = response.read(1 << 20)
    except PermissionError:
        return Engine(address, "denied")
    except (FileNotFoundError, ConnectionRefusedError) as error:
        return Engine(address, "down", detail=error.strerror or str(error))
    except (OSError, http.client.HTTPException) as error:
        return Engine(address, "down", detail=str(error) or type(error).__name__)
    finally:
        connection.close()
    # Something that is no engine may answer in its place (an intercepting proxy does): only the body decides.
    try:
        answer = json.loads(body)
        version, api, system = str(answer["Version"]), str(answer["ApiVersion"]), str(answer.get("Os", "linux"))
    except (ValueError, KeyError, TypeError):
        return Engine(address, "foreign", detail=f"status {response.status}, {body[:60]!r}")
    return Engine(address, "up", version=version, api=api, system=system)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(self._path)


def _tcp_connection(host: str, port: int, environ: Mapping[str, str]) -> http.client.HTTPConnection:
    if not environ.get("DOCKER_TLS_VERIFY"):
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    folder = Path(environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(str(folder / "cert.pem"), str(folder / "key.pem"))
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
