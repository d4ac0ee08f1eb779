"""What is sent to the browser while it happens, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from harness.errors import HarnessError
from harness.kube import ApiError
from harness.page.observer import GONE, Hub, Subscription

# a browser that is gone is noticed when something is sent to it
_SILENCE_S: Final = 10.0
_LOG_S: Final = 0.5
_ALIVE: Final = b": still here\n\n"


def encode(kind: str, text: str) -> bytes:
    """Return one event; its text is JSON, so that no text ends the event."""
    return f"event: {kind}\ndata: {json.dumps(text)}\n\n".encode()


def stream(events: AsyncIterator[bytes]) -> StreamingResponse:
    """Return the answer that is these events."""
    return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def changes(hub: Hub, trouble: Callable[[], str]) -> AsyncIterator[bytes]:
    """Yield what has changed, until the server ends.

    Args:
        trouble: why the environment does not answer; empty while it does.
    """
    with hub.subscribe() as subscription:
        yield encode("ready", "")
        if now := trouble():
            yield encode(GONE, now)
        while (told := await subscription.read(_SILENCE_S)) is not None:
            for kind, text in told:
                yield encode(kind, text)
            if not told:
                yield _ALIVE


async def log_lines(hub: Hub, read: Callable[[], str | None], ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the whole lines of a log as they are written, and its end.

    Args:
        hub: ends the stream with the server.
        read: the log so far; ``None`` before its first line.
        ended: whether nothing more is written; asked before the log is read.
    """
    sent = 0
    with hub.subscribe() as subscription:
        while True:
            try:
                over = await run_in_threadpool(ended)
                text = await run_in_threadpool(read) or ""
            except (HarnessError, ApiError) as error:
                yield encode("problem", str(error).splitlines()[0])
                return
            # a credential in a line is hidden once the line is whole
            whole = len(text) if over else text.rfind("\n") + 1
            if whole > sent:
                yield encode("log", text[sent:whole])
                sent = whole
            elif not over:
                yield _ALIVE
            if over:
                yield encode("end", "" if sent else "no line was written")
                return
            if not await _wait(subscription):
                return


async def _wait(subscription: Subscription) -> bool:
    """Wait for a moment; return whether the server keeps running."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _LOG_S
    while (left := until - loop.time()) > 0:
        if await subscription.read(left) is None:
            return False
    return True
