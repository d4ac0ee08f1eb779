"""Recent refusals of the services, by the caller's address, with later good answers."""

from __future__ import annotations

import collections
import dataclasses
import json
import re
import threading
import time
from collections.abc import Iterable
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.wire.service_refusals import RefusedRequest

# of one peer, and peers: a program that sends refused requests without end takes no more memory than this
_KEPT: Final = 50
_PEERS: Final = 500
_BODY_BYTES: Final = 64 << 10
_REASON_CHARACTERS: Final = 300
_XML_CODE = re.compile(r"<Code>([^<]*)</Code>")
_XML_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")


class _Peer:
    def __init__(self) -> None:
        self.refused: collections.deque[RefusedRequest] = collections.deque(maxlen=_KEPT)
        self.last_success = 0.0


class RefusalLog:
    """The refused requests of one environment. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._peers: collections.OrderedDict[str, _Peer] = collections.OrderedDict()

    def add(self, request: RefusedRequest) -> None:
        """Record a refused request."""
        with self._lock:
            self._peers.setdefault(request.peer, _Peer()).refused.append(request)
            self._peers.move_to_end(request.peer)
            if len(self._peers) > _PEERS:
                self._peers.popitem(last=False)

    def record_success(self, peer: str, at: float) -> None:
        """Record a good answer."""
        with self._lock:
            # only relevant for callers with an earlier refusal
            if known := self._peers.get(peer):
                known.last_success = max(known.last_success, at)

    def find(self, peers: Iterable[str]) -> list[RefusedRequest]:
        """Return the refused requests of these peers, the oldest first."""
        with self._lock:
            found = [
                dataclasses.replace(request, went_on=request.at < known.last_success)
                for known in map(self._peers.get, dict.fromkeys(peers))
                if known is not None
                for request in known.refused
            ]
        return sorted(found, key=lambda request: request.at)


class RefusalMiddleware:
    """An application that records refusals before it sends their last byte.

    Args:
        app: the application.
        service: first label of its DNS name.
        refusals: where they are noted.
    """

    def __init__(self, app: ASGIApp, service: str, refusals: RefusalLog) -> None:
        self._app, self._service, self._refusals = app, service, refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope.get("client"):
            await self._app(scope, receive, send)
            return
        path, peer = str(scope["path"]), str(scope["client"][0])
        status, body = 0, bytearray()

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            elif message["type"] == "http.response.body":
                if status >= 400:
                    body.extend(message.get("body", b"")[: _BODY_BYTES - len(body)])
                if not message.get("more_body"):
                    self._note(peer, str(scope["method"]), path, status, bytes(body))
            await send(message)

        await self._app(scope, receive, send_noted)

    def _note(self, peer: str, method: str, path: str, status: int, body: bytes) -> None:
        if status < 400:
            self._refusals.record_success(peer, time.time())
            return
        code, reason = read_reason(body)
        self._refusals.add(RefusedRequest(self._service, status, method, path, reason, peer, time.time(), code))


def read_reason(body: bytes) -> tuple[str, str]:
    """Return the name and the message of an error, in the formats of the platform's services."""
    text = body.decode("utf-8", "replace")
    if text.lstrip().startswith("<"):
        code, message = _XML_CODE.search(text), _XML_MESSAGE.search(text)
        return (code[1] if code else ""), _one_line(message[1] if message else "")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return "", _one_line(text)
    return _json_reason(document)


def _json_reason(document: Any) -> tuple[str, str]:
    if not isinstance(document, dict):
        return "", _one_line(document if isinstance(document, str) else "")
    error = document.get("error")
    if isinstance(error, dict):  # OpenSearch
        return str(error.get("type") or ""), _one_line(error.get("reason"))
    if "error_description" in document:  # OpenID Connect
        return str(error or ""), _one_line(document["error_description"])
    return "", _one_line(document.get("detail") or document.get("message") or error)


def _one_line(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    text = " ".join(text.split())
    return text if len(text) <= _REASON_CHARACTERS else f"{text[:_REASON_CHARACTERS]} ..."
