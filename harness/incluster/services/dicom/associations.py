"""The open connections of the DICOM receiver: each has deadlines, and ends whatever its peer sends.

The network library reads a PDU of any announced length, waits for its rest without end, and reports the end of a
connection only where its state machine gets that far. Here the reading is bounded, and the end of the connection's
thread is what counts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.incluster.services.config import Limits

if TYPE_CHECKING:
    from pynetdicom.association import Association

log = logging.getLogger("harness.incluster.services.dicom.receiver")

# we announce 128 KiB for data; the largest request for an association is of about that size too
MAX_PDU_BYTES: Final = 1 << 20
_PDU_HEAD: Final = 6
# connections that have not asked for an association yet, for each that may have one
_WAITING_PER_ASSOCIATION: Final = 4
# a peer that is silent for so long gives way to one that has something to say
_STALLED_S: Final = 1.0


@dataclasses.dataclass
class Peer:
    """One connection. ``received`` are bytes since its last object; ``last`` is when it sent something."""

    assoc: Association
    on_data: Callable[[], None]
    last: float = dataclasses.field(default_factory=time.monotonic)
    received: int = 0
    accepted: bool = False
    inside_pdu: bool = False

    def is_stalled(self, now: float) -> bool:
        """Return whether it keeps others waiting: silent within a PDU, or before it has asked for anything."""
        return (self.inside_pdu or not self.accepted) and now - self.last > _STALLED_S

    def cut(self) -> None:
        """Close the connection; its threads notice it."""
        dul = self.assoc.dul
        sock = dul.socket.socket if dul.socket else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if not self.assoc.is_established:
            # the library would wait for a request until its own time-out
            dul.to_user_queue.put(None)  # type: ignore[arg-type]


class Associations:
    """All open connections. Safe to use from several threads.

    Args:
        limits: how many, and how long one may be silent.
        on_open, on_data, on_end: get the connection when it begins, says something, and has ended for good.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        on_open: Callable[[Any], None],
        on_data: Callable[[Any], None],
        on_end: Callable[[Any], None],
    ) -> None:
        self._limits = limits
        self._on_open, self._on_data, self._on_end = on_open, on_data, on_end
        self._lock = threading.Lock()
        self._peers: dict[Association, Peer] = {}

    def find(self, assoc: Association) -> Peer | None:
        """Return an open connection."""
        with self._lock:
            return self._peers.get(assoc)

    def on_opened(self, assoc: Association) -> None:
        """Register a new connection before its threads start."""
        peer = Peer(assoc, lambda: self._on_data(assoc))
        with self._lock:
            full = len(self._peers) >= self._limits.associations * (1 + _WAITING_PER_ASSOCIATION)
            self._peers[assoc] = peer
        self._on_open(assoc)
        sock: Any = assoc.dul.socket
        # a peer that reads no answers blocks only itself
        sock.socket.settimeout(self._limits.stalled_peer_s)
        sock.recv = lambda count: _receive(sock, peer, count, self._limits.stalled_peer_s)
        assoc.run = lambda: self._guard(assoc, type(assoc).run)  # type: ignore[method-assign]
        dul: Any = assoc.dul
        dul.run = lambda: self._guard_provider(peer, type(dul).run)
        if full and not self._make_room(lambda other: not other.accepted and other is not peer):
            log.warning("too many connections: one is closed at once")
            peer.cut()

    def admit(self, assoc: Association) -> bool:
        """Return whether an association may be made; one that is stalled gives way to it."""
        peer = self.find(assoc)
        if peer is None:
            return False
        with self._lock:
            accepted = sum(other.accepted for other in self._peers.values())
        if accepted >= self._limits.associations and not self._make_room(lambda other: other.accepted):
            return False
        peer.accepted = True
        return True

    def _make_room(self, candidate: Callable[[Peer], bool]) -> bool:
        now = time.monotonic()
        with self._lock:
            stalled = [peer for peer in self._peers.values() if candidate(peer) and peer.is_stalled(now)]
            victim = min(stalled, key=lambda peer: peer.last, default=None)
            if victim is None:
                return False
            # counts no more, and is not chosen again
            victim.accepted = False
            victim.last = now
        log.warning("a silent connection gives way to another")
        victim.cut()
        return True

    def _guard(self, assoc: Association, run: Callable[[Any], None]) -> None:
        """Run the association's thread."""
        try:
            run(assoc)
        except Exception:
            log.exception("an association ended by an error")
        finally:
            with self._lock:
                peer = self._peers.pop(assoc, None)
            if peer is not None:
                assoc.dul.kill_dul()
                peer.cut()
                _remove_partial(assoc)
                self._on_end(assoc)

    def _guard_provider(self, peer: Peer, run: Callable[[Any], None]) -> None:
        """Run the reading thread, which notices that the peer is gone."""
        dul = peer.assoc.dul
        try:
            run(dul)
        except Exception as problem:
            log.warning("a connection is closed, as its peer sent what has no meaning: %r", problem)
            peer.assoc._kill = True
            peer.cut()


def _receive(sock: Any, peer: Peer, count: int, stalled_s: float) -> bytearray:
    """Read one part of a PDU, within one deadline; less where the peer closes the connection.

    Raises:
        OSError: the PDU is longer than any, or did not come in time; the library closes the connection then.
    """
    if count > MAX_PDU_BYTES:
        raise OSError(f"a PDU of {count} bytes is announced, {MAX_PDU_BYTES} are allowed")
    raw = sock.socket
    data = bytearray()
    peer.inside_pdu = True
    deadline = time.monotonic() + stalled_s
    try:
        while len(data) < count:
            raw.settimeout(max(0.001, deadline - time.monotonic()))
            chunk = raw.recv(count - len(data))
            if not chunk:
                return data
            data += chunk
            peer.last = time.monotonic()
            peer.on_data()
    finally:
        with contextlib.suppress(OSError):
            raw.settimeout(stalled_s)
    peer.inside_pdu = count == _PDU_HEAD
    return data


def _remove_partial(assoc: Any) -> None:
    """Delete the temporary files of objects that were not ingested: the library forgets them."""
    files = [getattr(assoc.dimse.message, "_data_set_file", None)]
    while not assoc.dimse.msg_queue.empty():
        _, message = assoc.dimse.msg_queue.get_nowait()
        files.append(getattr(message, "_dataset_file", None))
    for file in files:
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()
            Path(file.name).unlink(missing_ok=True)
