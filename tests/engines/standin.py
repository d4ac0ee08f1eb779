"""A proxy before the real engine's socket that answers as an engine of another release.

The engine behind it may be Docker 20.10, which speaks 1.41 and nothing newer: the version in a path is checked by the
rules of the release that is played, and replaced; what newer versions leave out of an answer is left out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import re
import selectors
import socket
import socketserver
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.doctor.api_range import parse_version
from tests.engines.unix_http import serve

REAL = "/var/run/docker.sock"
SPOKEN_BEHIND = "1.41"
_BLOCK = 1 << 16
_VERSIONED = re.compile(r"/v(\d+\.\d+)(/.*)", re.DOTALL)

Changed = Callable[[Any], Any]


@dataclasses.dataclass
class StandIn:
    """The release that is played.

    Attributes:
        api, minimum: the newest and the oldest version of the API that it speaks.
        version: of the engine.
        said: further fields of what ``/version`` answers.
        inside: fields of what ``/info`` answers.
        refusals: regular expression for ``METHOD path``, with status and message of the answer.
        pools_used_up: it has no range of addresses left for a network that does not name one.
        versions: versions that clients have spoken; empty text for a path without one.
        refused: messages to clients about their version.
    """

    api: str = "1.60"
    minimum: str = "1.44"
    version: str = "40.0.1"
    said: dict[str, Any] = dataclasses.field(default_factory=dict)
    inside: dict[str, Any] = dataclasses.field(default_factory=dict)
    refusals: dict[str, tuple[int, str]] = dataclasses.field(default_factory=dict)
    pools_used_up: bool = False
    real: str = REAL
    versions: set[str] = dataclasses.field(default_factory=set)
    refused: list[str] = dataclasses.field(default_factory=list)

    @contextlib.contextmanager
    def listening(self, path: Path) -> Iterator[str]:
        """Answer at a socket; its URL."""

        class Handler(socketserver.BaseRequestHandler):
            standin = self

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    _serve(self.standin, self.request)

        with serve(Handler, path) as url:
            path.chmod(0o666)
            try:
                yield url
            finally:
                path.unlink()

    def refusal(self, version: str) -> str:
        """What the engine says to a client that speaks this version; empty when it serves it."""
        if not version:
            return ""
        if parse_version(version) < parse_version(self.minimum):
            return (
                f"client version {version} is too old. Minimum supported API version is {self.minimum}, "
                "please upgrade your client to a newer version"
            )
        if parse_version(version) > parse_version(self.api):
            return f"client version {version} is too new. Maximum supported API version is {self.api}"
        return ""

    def changes(self, method: str, path: str) -> Changed | None:
        """What is done to the answer to a request; ``None``: it is passed on as it comes."""
        if method != "GET":
            return None
        for pattern, change in (
            (r"/version", self._version),
            (r"/info", lambda info: {**info, **self.inside}),
            (r"/images/json", lambda images: [_without(image, _GONE_OF_IMAGES) for image in images]),
            (r"/images/.+/json", lambda image: _without(image, _GONE_OF_IMAGES)),
            (r"/containers/[^/]+/json", _container),
        ):
            if re.fullmatch(pattern, path):
                return change
        return None

    def _version(self, answer: dict[str, Any]) -> dict[str, Any]:
        return {
            **answer,
            "Version": self.version,
            "ApiVersion": self.api,
            "MinAPIVersion": self.minimum,
            "Components": [{"Name": "Engine", "Version": self.version}],
            **self.said,
        }


# VirtualSize: 1.44; Container, ContainerConfig: 1.45; the rest are left out of some answers by newer ones
_GONE_OF_IMAGES = ("VirtualSize", "Container", "ContainerConfig", "GraphDriver", "Parent", "DockerVersion", "Author")
_KEPT_OF_NETWORKS = ("SandboxID", "SandboxKey", "Ports", "Networks")


def _without(record: Any, fields: tuple[str, ...]) -> Any:
    if not isinstance(record, dict):
        return record
    return {key: value for key, value in record.items() if key not in fields}


def _container(record: dict[str, Any]) -> dict[str, Any]:
    settings = record.get("NetworkSettings")
    if not settings:
        return record
    for network in (settings.get("Networks") or {}).values():
        # 1.44: the short id is not an alias any more
        network["Aliases"] = [name for name in network.get("Aliases") or () if not record["Id"].startswith(name)]
    # 1.52: those of the default network
    return {**record, "NetworkSettings": {key: settings[key] for key in _KEPT_OF_NETWORKS if key in settings}}


class _Real(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=120)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(120)
        self.sock.connect(self._path)


def _serve(standin: StandIn, client: socket.socket) -> None:
    """Answer one request; the connection ends with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        block = client.recv(_BLOCK)
        if not block:
            return
        data += block
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *fields = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    match = _VERSIONED.fullmatch(target)
    version, target = (match[1], match[2]) if match else ("", target)
    standin.versions.add(version)
    path = target.partition("?")[0]
    if words := standin.refusal(version):
        standin.refused.append(words)
        _answer(client, 400, {"message": words})
        return
    for pattern, (status, words) in standin.refusals.items():
        if re.fullmatch(pattern, f"{method} {path}"):
            _answer(client, status, {"message": words})
            return
    if standin.pools_used_up and (method, path) == ("POST", "/networks/create"):
        rest = _read_body(client, fields, rest)
        if b'"Subnet"' not in rest:
            _answer(client, 500, {"message": "all predefined address pools have been fully subnetted"})
            return
    if path == "/_ping":
        client.sendall(
            f"HTTP/1.1 200 OK\r\nApi-Version: {standin.api}\r\nOstype: linux\r\nBuilder-Version: 2\r\n"
            "Content-Length: 2\r\nConnection: close\r\n\r\n".encode()
            + (b"OK" if method == "GET" else b"")
        )
        return
    target = f"/v{SPOKEN_BEHIND}{target}"
    if change := standin.changes(method, path):
        real = _Real(standin.real)
        try:
            real.request(method, target)
            reply = real.getresponse()
            body = json.loads(reply.read())
        finally:
            real.close()
        _answer(client, reply.status, change(body) if reply.status == 200 else body)
        return
    upgraded = any(field.lower().startswith("upgrade:") for field in fields)
    if not upgraded:
        fields = [field for field in fields if not field.lower().startswith("connection:")] + ["Connection: close"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as upstream:
        upstream.connect(standin.real)
        upstream.sendall("\r\n".join([f"{method} {target} HTTP/1.1", *fields, "", ""]).encode("latin-1") + rest)
        _pump(client, upstream)


def _read_body(client: socket.socket, fields: list[str], begun: bytes) -> bytes:
    names = {name.lower(): value for name, _, value in (field.partition(":") for field in fields)}
    length = int(names["content-length"])
    while len(begun) < length and (block := client.recv(_BLOCK)):
        begun += block
    return begun


def _answer(client: socket.socket, status: int, document: Any) -> None:
    body = json.dumps(document).encode()
    head = [
        f"HTTP/1.1 {status} {http.client.responses[status]}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    client.sendall("\r\n".join([*head, "", ""]).encode() + body)
    client.shutdown(socket.SHUT_WR)
    # a connection that is closed with something unread in it takes the answer along
    client.settimeout(10)
    while client.recv(_BLOCK):
        pass


def _pump(client: socket.socket, upstream: socket.socket) -> None:
    """Pass everything on in both directions, until the engine has ended its answer."""
    others = {client: upstream, upstream: client}
    with selectors.DefaultSelector() as selector:
        for end in others:
            selector.register(end, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                source = key.fileobj
                assert isinstance(source, socket.socket)
                data = source.recv(_BLOCK)
                if data:
                    others[source].sendall(data)
                elif source is upstream:
                    client.shutdown(socket.SHUT_WR)
                    return
                else:
                    selector.unregister(client)
                    upstream.shutdown(socket.SHUT_WR)
