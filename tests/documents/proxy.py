"""A proxy of a site, which notes the hosts that it was asked for."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlsplit


@contextlib.contextmanager
def started() -> Iterator[tuple[str, set[str]]]:
    """Yield the address of a proxy on this machine, and the hosts that it was asked for so far."""
    asked: set[str] = set()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, asked), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        finally:
            # what ends the thread, which waits for the next client
            server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, asked: set[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_answer, args=(client, asked), daemon=True).start()


def _answer(client: socket.socket, asked: set[str]) -> None:
    with client, contextlib.suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head:
            received = client.recv(65536)
            if not received:
                return
            head += received
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        asked.add(parts.hostname or "")
        above = _above(os.environ, secure=method == "CONNECT")
        address = (above.hostname, above.port or 80) if above else (parts.hostname, parts.port or 80)
        with socket.create_connection(address, timeout=30) as remote:
            if method == "CONNECT" and above is None:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                remote.sendall(head)
            back = threading.Thread(target=_copy, args=(remote, client), daemon=True)
            back.start()
            _copy(client, remote)
            back.join()


def _above(environ: Mapping[str, str], *, secure: bool) -> SplitResult | None:
    """Return the proxy that this machine needs itself, ``None`` where it needs none."""
    name = "HTTPS_PROXY" if secure else "HTTP_PROXY"
    address = environ.get(name.lower()) or environ.get(name)
    return urlsplit(address) if address else None


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65536):
            target.sendall(received)
        target.shutdown(socket.SHUT_WR)
