"""An engine that makes nothing: it accepts every request and keeps it."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.engines.unix_http import WithoutAddress, serve
from tests.http_answers import send_json

_VERSION = {"Version": "28.5.2", "ApiVersion": "1.51", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"}
_ANSWERS: Mapping[str, Any] = {
    "GET /version": _VERSION,
    "POST /containers/create": {"Id": "4f" * 32, "Warnings": []},
    "GET /info": {"Driver": "overlay2", "CgroupVersion": "2"},
    "GET /containers/[^/]+/json": {
        "Id": "4f" * 32,
        "Name": "/made",
        "Config": {"Tty": False},
        "HostConfig": {"NetworkMode": "own"},
    },
}


@dataclasses.dataclass
class Recorder:
    """The engine.

    Attributes:
        refusals: regular expression for ``METHOD path``, with status and message of the answer.
        inside: further fields of what ``/info`` answers.
        delays: regular expression for the same, with seconds until the answer; below 0: the connection is closed.
        asked: method and path of each request, without a version.
        bodies: what was sent with them, by the last request of each.
    """

    refusals: dict[str, tuple[int, str]] = dataclasses.field(default_factory=dict)
    inside: dict[str, Any] = dataclasses.field(default_factory=dict)
    delays: dict[str, float] = dataclasses.field(default_factory=dict)
    asked: list[str] = dataclasses.field(default_factory=list)
    bodies: dict[str, Any] = dataclasses.field(default_factory=dict)

    @contextlib.contextmanager
    def listening(self, path: Path) -> Iterator[str]:
        """Answer at a socket; its URL."""

        closing = threading.Event()

        class Handler(WithoutAddress, http.server.BaseHTTPRequestHandler):
            recorder = self

            def do_GET(self) -> None:
                self.do_POST()

            def do_DELETE(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = f"{self.command} {re.sub(r'^/v[0-9.]+', '', self.path.partition('?')[0])}"
                status, document = self.recorder.note(request, body)
                delay = self.recorder.find_delay(request)
                if delay < 0 or closing.wait(delay):
                    self.close_connection = True
                    return
                send_json(self, status, document)

        with serve(Handler, path) as url:
            try:
                yield url
            finally:
                closing.set()

    def find_delay(self, request: str) -> float:
        """Return the seconds until a request is answered."""
        return next((delay for pattern, delay in self.delays.items() if re.fullmatch(pattern, request)), 0.0)

    def note(self, request: str, body: bytes) -> tuple[int, Any]:
        """Keep a request; status and document of its answer."""
        self.asked.append(request)
        self.bodies[request] = json.loads(body) if body else None
        for pattern, (status, words) in self.refusals.items():
            if re.fullmatch(pattern, request):
                return status, {"message": words}
        answer = next((found for pattern, found in _ANSWERS.items() if re.fullmatch(pattern, request)), {})
        return 200, {**answer, **self.inside} if request == "GET /info" else answer
