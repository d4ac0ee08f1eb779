"""The services that callbacks ask, at one address; what they were asked is remembered."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from harness.incluster.airflow import callbacks


class FakeServices:
    """kube-helm, AII and the notification service.

    Attributes:
        asked: method and path of each request.
        sent: the documents among them.
        statuses: what a path, without its query, is answered with in place of 200.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.sent: list[dict[str, Any]] = []
        # no application runs
        self.statuses = {"/view-chart-status": 404}

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Return status and document for a request."""
        self.asked.append(f"{method} {path}")
        if body:
            self.sent.append(json.loads(body))
        status = self.statuses.get(path.partition("?")[0], 200)
        return status, json.dumps({"id": "id-of-" + path.rpartition("/")[2]}).encode()


@contextlib.contextmanager
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServices]:
    """Let callbacks reach services that answer."""
    services = FakeServices()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = services.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815  (the name that the library looks for)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            reach(monkeypatch, f"http://127.0.0.1:{server.server_address[1]}")
            yield services
        finally:
            server.shutdown()
            thread.join()


def reach(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let callbacks look for all services at one address."""
    monkeypatch.setattr(callbacks.names, "url", lambda _service, _scheme="http": url)
    for name in ("AII_URL", "NOTIFICATION_URL"):
        monkeypatch.setenv(name, url)
