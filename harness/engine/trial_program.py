"""What runs in the container of :mod:`harness.engine.trial`: a registry that keeps nothing, and what is seen there.

It is handed to Python as a text and run alone: standard library only, no import of the harness.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import socket
import sys
from pathlib import Path

PORT = 8000
SOCKET = "/var/run/docker.sock"
VOLUME = "/state"
LISTENING = "listening"
_PATIENCE_S = 2.0


class Registry(http.server.BaseHTTPRequestHandler):
    """Takes one push, as the registry API of the OCI has it (distribution-spec 1.1), and answers what is seen here."""

    protocol_version = "HTTP/1.1"
    uploaded: dict[str, int] = {}  # noqa: RUF012 - one for all requests

    def do_GET(self) -> None:
        if self.path.startswith("/v2/"):
            self._answer(200 if self.path == "/v2/" else 404)
        else:
            seen = {"word": sys.argv[1], "engine": _ask_engine()}
            self._answer(200, body=json.dumps(seen).encode())

    def do_HEAD(self) -> None:
        digest = self.path.rpartition("/")[2]
        size = self.uploaded.get(digest)
        if size is None:
            self._answer(404)
        else:
            self._answer(200, {"Docker-Content-Digest": digest, "Content-Length": str(size)})

    def do_POST(self) -> None:
        self._read()
        self._answer(202, {"Location": f"{self.path.rstrip('/')}/1", "Docker-Upload-UUID": "1", "Range": "0-0"})

    def do_PATCH(self) -> None:
        type(self).received = len(self._read())
        self._answer(202, {"Location": self.path, "Docker-Upload-UUID": "1", "Range": f"0-{self.received}"})

    def do_PUT(self) -> None:
        body = self._read()
        _, _, wanted = self.path.partition("digest=")
        digest = wanted.replace("%3A", ":") or f"sha256:{hashlib.sha256(body).hexdigest()}"
        self.uploaded[digest] = len(body) or self.received
        self._answer(201, {"Docker-Content-Digest": digest, "Location": self.path.partition("?")[0]})

    received = 0

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _ask_engine() -> str:
    """Return why the engine's socket is of no use here; empty if the engine answers."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE_S)
            connection.connect(SOCKET)
            # only the engine of this container has heard of it
            connection.sendall(f"GET /containers/{socket.gethostname()}/json HTTP/1.0\r\n\r\n".encode())
            status = connection.recv(64).partition(b" ")[2][:3]
            return "" if status == b"200" else f"another one answers with status {status.decode('ascii', 'replace')}"
    except OSError as error:
        return error.strerror or str(error)


if __name__ == "__main__":
    Path(VOLUME, "word").write_text(sys.argv[1])
    server = http.server.ThreadingHTTPServer(("", PORT), Registry)
    print(LISTENING, flush=True)
    server.serve_forever()
