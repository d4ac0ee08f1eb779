"""Answers that stay open: logs, watches and the owner's connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

from starlette.types import Receive, Scope, Send

from harness.incluster.controlplane.errors import StatusError
from harness.incluster.controlplane.reaper import Reaper
from harness.incluster.controlplane.selectors import Predicate
from harness.incluster.controlplane.store import Change, Store
from harness.kube import Manifest

_BEAT_S = 2.0

Pieces = AsyncGenerator[bytes, None]


class Stream:
    """An ASGI answer that ends with its pieces, when the client goes, or when the control plane closes."""

    def __init__(
        self, pieces: Pieces, reaper: Reaper, media_type: str, on_end: Callable[[], None] | None = None
    ) -> None:
        self._pieces = pieces
        self._reaper = reaper
        self._media_type = media_type
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces."""
        del scope
        headers = [(b"content-type", self._media_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # an empty part, so that the client gets the head at once
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        work = [
            asyncio.ensure_future(self._forward(send)),
            asyncio.ensure_future(_wait_for_disconnect(receive)),
            asyncio.ensure_future(self._reaper.closing.wait()),
        ]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            if self._on_end:
                self._on_end()
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _forward(self, send: Send) -> None:
        async with contextlib.aclosing(self._pieces) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def heartbeats() -> Pieces:
    """Yield signs of life for the owner."""
    while True:
        yield b"{}\n"
        await asyncio.sleep(_BEAT_S)


def _line(what: str, manifest: Manifest) -> bytes:
    return json.dumps({"type": what, "object": manifest}, separators=(",", ":")).encode() + b"\n"


async def watch(
    store: Store, kind: str, namespace: str | None, fits: Predicate, version: str, timeout_s: float
) -> Pieces:
    """Yield the lines of a watch.

    Args:
        store: all objects.
        kind: of the objects.
        namespace: one, or all.
        fits: the selectors.
        version: continue after this resource version; empty or ``0``: begin with all existing objects.
        timeout_s: seconds until it ends.
    """
    deadline = time.monotonic() + timeout_s
    queue = store.subscribe()
    try:
        if version in ("", "0"):
            for manifest in store.list(kind, namespace):
                if fits(manifest):
                    yield _line("ADDED", manifest)
        else:
            changes = store.since(int(version))
            if changes is None:
                gone = StatusError(410, "Expired", f"too old resource version: {version} ({store.version})")
                yield _line("ERROR", gone.status)
                return
            for change in changes:
                if line := _encode(change, kind, namespace, fits):
                    yield line
        while (left := deadline - time.monotonic()) > 0:
            try:
                change = await asyncio.wait_for(queue.get(), left)
            except asyncio.TimeoutError:
                return
            if line := _encode(change, kind, namespace, fits):
                yield line
    finally:
        store.unsubscribe(queue)


def _encode(change: Change, kind: str, namespace: str | None, fits: Predicate) -> bytes | None:
    """Return the event of a change for a watch with these selectors."""
    manifest: dict[str, Any] = change.after
    if manifest["kind"] != kind or (namespace and manifest["metadata"].get("namespace") != namespace):
        return None
    was = change.before is not None and fits(change.before)
    if change.what == "DELETED":
        return _line("DELETED", manifest) if was else None
    if fits(manifest):
        return _line("MODIFIED" if was else "ADDED", manifest)
    return _line("DELETED", manifest) if was else None
