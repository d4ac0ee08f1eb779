"""Refuse names that no Service has: pods without a way out get the answer at once.

The engine's own resolver answers for Services and asks this one for the rest. Without it a wrong name would keep a
program waiting for resolvers that it cannot reach; on the platform the cluster's DNS says at once that there is no
such name.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

_HEADER = struct.Struct("!HHHHHH")
_RESPONSE, _RECURSION_AVAILABLE, _NO_SUCH_NAME = 0x8000, 0x0080, 3
# kept of the question's flags: operation code, and whether recursion is desired
_KEPT = 0x7900
PORT = 53

OnQuestion = Callable[[str, str], Awaitable[None]]


def parse_question(packet: bytes) -> tuple[str, int]:
    """Return the name that a query asks for, and where its question ends.

    Raises:
        ValueError: the packet is not a query.
    """
    labels: list[str] = []
    place = _HEADER.size
    try:
        while length := packet[place]:
            if length > 63:
                raise ValueError("a compressed name in a question")
            labels.append(packet[place + 1 : place + 1 + length].decode("ascii", "replace"))
            place += 1 + length
    except IndexError:
        raise ValueError("the packet ends within a name") from None
    return ".".join(labels), place + 5


def nxdomain_reply(packet: bytes) -> bytes:
    """Return the answer ``NXDOMAIN`` to a query."""
    _, end = parse_question(packet)
    number, flags, *_ = _HEADER.unpack_from(packet)
    flags = _RESPONSE | (flags & _KEPT) | _RECURSION_AVAILABLE | _NO_SUCH_NAME
    return _HEADER.pack(number, flags, 1, 0, 0, 0) + packet[_HEADER.size : end]


class Resolver(asyncio.DatagramProtocol):
    """Says of every name that it does not exist.

    Args:
        on_question: awaited with the address of the pod that asks and the name.
    """

    def __init__(self, on_question: OnQuestion) -> None:
        self._on_question = on_question
        self._answering: set[asyncio.Future[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; the event loop calls this."""
        assert isinstance(transport, asyncio.DatagramTransport)
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Handle a packet; the event loop calls this."""
        try:
            name, _ = parse_question(data)
            answer = nxdomain_reply(data)
        except (ValueError, struct.error):
            return
        task = asyncio.ensure_future(self._answer(answer, addr, name))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, answer: bytes, addr: tuple[str | Any, int], name: str) -> None:
        # record it first: after the answer the program continues, and may end
        await self._on_question(str(addr[0]), name)
        assert self._transport is not None
        self._transport.sendto(answer, addr)


async def serve(address: str, on_question: OnQuestion) -> None:
    """Answer on one address while the event loop runs."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Resolver(on_question), local_addr=(address, PORT))
