"""Tell from the bytes that pass when an HTTP connection is between two requests."""

from __future__ import annotations

import h11


class HttpExchanges:
    """Watches both directions of one connection, and changes nothing.

    What is not HTTP (a WebSocket after its handshake, DICOM) is never between two requests.
    """

    def __init__(self) -> None:
        # each plays one side, and gets from the other what that has understood
        self._server = h11.Connection(h11.SERVER)
        self._client = h11.Connection(h11.CLIENT)
        self._understood = True

    @property
    def between_requests(self) -> bool:
        """Whether every request is completely answered, and neither side wants to close."""
        begun = self._server.trailing_data[0] or self._client.trailing_data[0]
        idle = self._client.our_state is self._server.their_state is h11.IDLE
        return self._understood and idle and not begun

    def note_request(self, data: bytes) -> None:
        """Record bytes that the client sends."""
        self._pass(self._server, self._client, data)

    def note_response(self, data: bytes) -> None:
        """Record bytes that the server sends."""
        self._pass(self._client, self._server, data)
        if self._understood and self._client.our_state is self._client.their_state is h11.DONE:
            self._client.start_next_cycle()
            self._server.start_next_cycle()

    def _pass(self, reads: h11.Connection, writes: h11.Connection, data: bytes) -> None:
        if not self._understood:
            return
        try:
            reads.receive_data(data)
            while True:
                event = reads.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return
                # what comes out is not sent: it only moves the states
                writes.send(event)  # type: ignore[arg-type]
        except h11.ProtocolError:
            self._understood = False
