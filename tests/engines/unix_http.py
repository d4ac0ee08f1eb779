"""Servers at a Unix socket, as engines are."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path


class WithoutAddress:
    """Part of a handler of HTTP whose clients have no address; it logs nothing."""

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "socket"


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


@contextlib.contextmanager
def serve(handler: type[socketserver.BaseRequestHandler], path: Path) -> Iterator[str]:
    """Handle requests at a socket for the length of the block; yield its URL."""
    with _Server(str(path), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()
