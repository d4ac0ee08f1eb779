"""An engine at a socket that knows its version, and otherwise answers what a test has written."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.server
import json
import re
import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.engines.unix_http import WithoutAddress, serve
from tests.http_answers import send_json

_VERSION = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What comes to a request: a status with a message, or documents (or bytes) one by one, each after a pause.

    Attributes:
        silent: after them nothing comes, in place of the end.
        breaks: after them the connection breaks.
        reads: the request's body is read before.
    """

    documents: tuple[Any, ...] = ()
    status: int = 200
    message: str = ""
    silent: bool = False
    pause_s: float = 0.0
    breaks: bool = False
    reads: bool = True


@dataclasses.dataclass(frozen=True)
class Request:
    """A request that came."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]

    def decode(self, header: str) -> Any:
        """Return the logins in a header."""
        return json.loads(base64.urlsafe_b64decode(self.headers[header]))


@dataclasses.dataclass
class ScriptedEngine:
    """The engine.

    Attributes:
        answers: regular expression for ``METHOD path`` to the answer.
        requests: what came, but questions about the version.
        left: set when a client has closed a connection before the answer's end.
    """

    answers: dict[str, Answer] = dataclasses.field(default_factory=dict)
    requests: list[Request] = dataclasses.field(default_factory=list)
    left: threading.Event = dataclasses.field(default_factory=threading.Event)

    @contextlib.contextmanager
    def listening(self, path: Path) -> Iterator[str]:
        """Answer at a socket; its URL."""
        engine = self

        class Handler(_Handler):
            script = engine

        with serve(Handler, path) as url:
            yield url

    def find_answer(self, words: str) -> Answer:
        """Return the answer to a request."""
        found = (answer for pattern, answer in self.answers.items() if re.fullmatch(pattern, words))
        return next(found, Answer(status=404, message="page not found"))


class _Handler(WithoutAddress, http.server.BaseHTTPRequestHandler):
    script: ScriptedEngine
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/version":
            send_json(self, 200, _VERSION)
        else:
            self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(re.sub(r"^/v[\d.]+", "", self.path))
        params = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.script.requests.append(Request(parts.path, params, dict(self.headers)))
        answer = self.script.find_answer(f"{self.command} {parts.path}")
        if answer.reads:
            self._read_body()
        if answer.message:
            send_json(self, answer.status, {"message": answer.message})
            return
        self.close_connection = answer.silent or answer.breaks
        try:
            self._send_documents(answer)
        except OSError:
            self.close_connection = True
            self.script.left.set()

    def _send_documents(self, answer: Answer) -> None:
        if answer.documents or not answer.silent:
            self.send_response(answer.status)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
        for document in answer.documents:
            time.sleep(answer.pause_s)
            self._send_chunk(document if isinstance(document, bytes) else json.dumps(document).encode() + b"\r\n")
        if answer.silent:
            client = select.poll()
            client.register(self.connection, select.POLLRDHUP)
            client.poll()
            self.script.left.set()
        elif not answer.breaks:
            self._send_chunk(b"")

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _read_body(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
