"""One HTTP exchange over a stream: for the engine's socket, the registry and probes."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import h11

_READ = 1 << 16


class Reply(NamedTuple):
    """A complete answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


async def exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes = b"",
) -> AsyncGenerator[h11.Response | bytes, None]:
    """Send a request, yield first the response's head and then its body as it comes; closes the connection.

    Raises:
        OSError, h11.ProtocolError: the connection broke or the other side does not speak HTTP.
    """
    try:
        connection = h11.Connection(h11.CLIENT)
        fields = [*headers.items(), ("Connection", "close")]
        if body or method in {"POST", "PUT", "PATCH"}:
            fields.append(("Content-Length", str(len(body))))
        request = h11.Request(method=method, target=target, headers=fields)
        data = connection.send(request) or b""
        if body:
            data += connection.send(h11.Data(data=body)) or b""
        writer.write(data + (connection.send(h11.EndOfMessage()) or b""))
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(_READ))
            elif isinstance(event, h11.Response):
                yield event
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return
    finally:
        writer.close()


async def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float,
    most_bytes: int = 8 << 20,
) -> Reply:
    """Send one request to an ``http`` or ``https`` URL; certificates are not checked (as Kubernetes probes do).

    Raises:
        OSError: no answer, no answer in time (``TimeoutError``), or not HTTP.
    """
    parts = urlsplit(url)
    context = None
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE

    async def run() -> Reply:
        port = parts.port or (443 if context else 80)
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {"Host": parts.netloc, **(headers or {})}
        status, found, body = 0, dict[str, str](), b""
        answer = exchange(reader, writer, method, target, fields)
        try:
            async for part in answer:
                if isinstance(part, bytes):
                    body += part
                    if len(body) > most_bytes:
                        break
                else:
                    status = part.status_code
                    found = {name.decode().lower(): value.decode("latin-1") for name, value in part.headers}
        except h11.ProtocolError as error:
            raise ConnectionError(f"no HTTP answer: {error}") from None
        finally:
            await answer.aclose()
        return Reply(status, found, body)

    try:
        return await asyncio.wait_for(run(), timeout_s)
    except asyncio.TimeoutError:
        raise TimeoutError(f"no answer in {timeout_s:g} s") from None
