"""The open HTTP connections of all listeners: one that keeps the services waiting is closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from harness.incluster.services.config import Limits

log = logging.getLogger("harness.incluster.services")

_SWEEP_S: Final = 0.5
_HANDSHAKES: Final = 100


class Connections:
    """Open connections, and the choice of those to close. Used from the event loop only.

    Args:
        limits: how many connections, in all and of one peer, and how long they may be silent.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[BoundedConnection, None] = {}
        self._handshakes: dict[int, socket.socket] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def protocol(self) -> type[H11Protocol]:
        """Return a protocol class that counts its connections here."""
        return type("RegisteredConnection", (BoundedConnection,), {"registry": self})

    def add(self, connection: BoundedConnection) -> bool:
        """Register a new connection; if there are too many, close one that waits for its peer.

        Returns:
            Whether the new one may stay.
        """
        self._handshakes.pop(connection.descriptor, None)
        of_peer = [other for other in self._open if other.peer == connection.peer]
        stays = True
        if len(of_peer) >= self._limits.connections_per_peer:
            stays = _make_room(of_peer)
        elif len(self._open) >= self._limits.connections:
            stays = _make_room(list(self._open))
        self._open[connection] = None
        if self._sweep is None:
            self._sweep = connection.loop.call_later(_SWEEP_S, self._cut_silent, connection.loop)
        return stays

    def remove(self, connection: BoundedConnection) -> None:
        """Forget a connection that has ended."""
        self._open.pop(connection, None)

    def handshake(self, accepted: socket.socket) -> None:
        """Count a connection during its TLS handshake; the oldest of too many is closed."""
        self._handshakes = {number: sock for number, sock in self._handshakes.items() if sock.fileno() == number}
        self._handshakes[accepted.fileno()] = accepted
        if len(self._handshakes) > _HANDSHAKES:
            oldest = self._handshakes.pop(next(iter(self._handshakes)))
            with contextlib.suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)

    def _cut_silent(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._open):
            if connection.overdue(now, self._limits):
                connection.cut()
        self._sweep = loop.call_later(_SWEEP_S, self._cut_silent, loop) if self._open else None


def _make_room(connections: list[BoundedConnection]) -> bool:
    """Cut the connection that has waited longest for its peer, first of all for the head of a request."""
    waiting = [item for item in connections if item.waits_for_head() or item.waits_for_body()]
    if not waiting:
        return False
    min(waiting, key=lambda item: (not item.waits_for_head(), item.last)).cut()
    return True


class BoundedConnection(H11Protocol):
    """One connection: ``since``: when it began to wait for a request, ``last``: when its peer did something."""

    registry: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since = self.last = self.loop.time()
        self.peer = self.client[0] if self.client else ""
        sock: Any = transport.get_extra_info("socket")
        self.descriptor: int = sock.fileno() if sock is not None else -1
        if not self.registry.add(self):
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        self.registry.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.last = self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        self.since = self.last = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self.last = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.last = self.loop.time()
        super().resume_writing()

    def waits_for_head(self) -> bool:
        """Return whether the next request has not been read as far as its headers."""
        return self.cycle is None or self.cycle.response_complete

    def waits_for_body(self) -> bool:
        """Return whether more of the request's body is to come, and is read."""
        return not self.waits_for_head() and self.cycle.more_body and not self.flow.read_paused

    def overdue(self, now: float, limits: Limits) -> bool:
        """Return whether the peer has kept this waiting for too long."""
        if self.flow.write_paused:
            return now - self.last > limits.stalled_peer_s
        if self.waits_for_head():
            return now - self.since > limits.header_s
        return self.waits_for_body() and now - self.last > limits.stalled_peer_s

    def cut(self) -> None:
        """End the connection at once."""
        self.transport.abort()


class TlsListener(socket.socket):
    """A listening socket that reports accepted connections: until the TLS handshake, nothing else knows them."""

    connections: Connections

    @classmethod
    def from_listener(cls, plain: socket.socket, connections: Connections) -> TlsListener:
        """Return a listener that replaces a plain one."""
        listener = cls(plain.family, plain.type, plain.proto, fileno=plain.detach())
        listener.connections = connections
        return listener

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        accepted, address = super().accept()
        self.connections.handshake(accepted)
        return accepted, address
