"""The connection by which a control plane knows that its owner is alive.

A thread holds it open. When this process ends, in any way, the kernel closes it, and the control plane
removes everything.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from harness.cluster import forks
from harness.wire import control_plane_routes

_CONNECT_S = 10.0
# the control plane sends a sign of life every 2 s
_SILENCE_S = 30.0


class OwnerConnection:
    """An open ``GET /harness/owner``.

    Args:
        port: of the control plane on 127.0.0.1.
        token: of the owner.

    Raises:
        OSError: the control plane does not accept it.
    """

    def __init__(self, port: int, token: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_S)
        self._socket.sendall(
            (
                f"GET {control_plane_routes.OWNER} HTTP/1.1\r\n"
                f"Host: 127.0.0.1:{port}\r\n"
                f"Authorization: Bearer {token}\r\n\r\n"
            ).encode()
        )
        head = self._socket.recv(4096)
        if not head.startswith(b"HTTP/1.1 200"):
            self._socket.close()
            raise ConnectionError(f"the control plane does not accept its owner: {head[:80]!r}")
        self._socket.settimeout(_SILENCE_S)
        self.lost = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._hold, name="kaapana-harness-owner", daemon=True)
        self._thread.start()
        forks.forget_when_forked(self)

    def _hold(self) -> None:
        with contextlib.suppress(OSError):
            while self._socket.recv(4096):
                pass
        if not self._closed:
            self.lost.set()

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(timeout=_CONNECT_S)

    def forget(self) -> None:
        """Close this process's copy only."""
        self._socket.close()
