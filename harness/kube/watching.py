"""Keep a watch going: after the server ended it, after it forgot the version, and after it was away."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.kube.errors import Expired, Forbidden, Unavailable, api_error
from harness.kube.manifest import Manifest

Lines = Callable[[Mapping[str, str], float], Iterator[str]]
"""``(query, seconds) -> lines`` of a watch request that is to last so long."""
ListAll = Callable[[Mapping[str, str]], Manifest]
"""``query -> list object`` of the watched objects."""

# there is nothing to subscribe to while the server is away
_AGAIN_S = 0.25


class Watch:
    """One watch of a collection.

    Args:
        lines: opens the stream.
        list_all: lists the collection, when the stream's version is too old.
        query: selectors.
        timeout_s: how long it lasts.
        reconnect_s: how long the server may be away; 0: not at all.
        since: the resource version after which it begins; empty: with what there is.
    """

    def __init__(
        self,
        lines: Lines,
        list_all: ListAll,
        query: Mapping[str, str],
        *,
        timeout_s: float,
        reconnect_s: float,
        since: str = "",
    ) -> None:
        self._lines = lines
        self._list_all = list_all
        self._query = dict(query)
        self._deadline = time.monotonic() + timeout_s
        self._reconnect_s = reconnect_s
        self._since = since
        self._version = since
        self._known: dict[tuple[str, str], Manifest] = {}

    def changes(self) -> Iterator[tuple[str, Manifest]]:
        """Yield ``(ADDED | MODIFIED | DELETED, object)`` until the time is over.

        Raises:
            Unavailable: the server was away for longer than it may be.
            Expired: the server has forgotten the version ``since``.
            ApiError: it refuses.
        """
        lost_at: float | None = None
        while (left := self._deadline - time.monotonic()) > 0:
            try:
                try:
                    for change, manifest in self._stream(left):
                        lost_at = None
                        yield change, manifest
                        if time.monotonic() >= self._deadline:
                            return
                except Expired:
                    if self._since and self._version == self._since:
                        # nothing was yielded yet with which a list could be compared
                        raise
                    yield from self._relist()
                lost_at = None
            except (Unavailable, Forbidden) as error:
                # a server that has just come back forbids everything until it has read its rules
                if lost_at is None and isinstance(error, Forbidden):
                    raise
                now = time.monotonic()
                lost_at = lost_at or now
                if now - lost_at >= self._reconnect_s:
                    raise
                time.sleep(max(0.0, min(_AGAIN_S, self._deadline - now)))

    def _stream(self, left: float) -> Iterator[tuple[str, Manifest]]:
        query = self._query | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, math.ceil(left))),
        }
        if self._version:
            query["resourceVersion"] = self._version
        for line in self._lines(query, left):
            event = json.loads(line)
            change, manifest = event["type"], event["object"]
            if change == "ERROR":
                status = int(manifest.get("code") or 500)
                raise api_error(
                    status, manifest.get("reason") or "Unknown", manifest.get("message") or f"HTTP {status}"
                )
            version = (manifest.get("metadata") or {}).get("resourceVersion")
            if version:
                # a server may end a watch early: go on after the last change that was seen
                self._version = version
            if change == "BOOKMARK":
                continue
            if change == "DELETED":
                self._known.pop(_key(manifest), None)
            else:
                self._known[_key(manifest)] = manifest
            yield change, manifest

    def _relist(self) -> Iterator[tuple[str, Manifest]]:
        """Yield the changes since a version that is too old, by comparison with earlier objects."""
        answer = self._list_all(self._query)
        self._version = str((answer.get("metadata") or {}).get("resourceVersion") or "")
        before, self._known = self._known, {_key(item): item for item in answer.get("items") or []}
        for key, item in self._known.items():
            earlier = before.get(key)
            if earlier is not None and _identity(earlier) != _identity(item):
                yield "DELETED", earlier
                earlier = None
            if earlier is None:
                yield "ADDED", item
            elif earlier["metadata"].get("resourceVersion") != item["metadata"].get("resourceVersion"):
                yield "MODIFIED", item
        for key, earlier in before.items():
            if key not in self._known:
                yield "DELETED", earlier


def _key(manifest: Manifest) -> tuple[str, str]:
    metadata = manifest.get("metadata") or {}
    return str(metadata.get("namespace", "")), str(metadata.get("name", ""))


def _identity(manifest: Manifest) -> Any:
    return (manifest.get("metadata") or {}).get("uid")
