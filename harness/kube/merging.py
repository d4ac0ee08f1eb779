"""Watch several namespaces at once, as one watch over all of a server would do."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from harness.kube.errors import ApiError, Expired, Forbidden, NotFound

Change = tuple[str, dict[str, Any]]
WatchOne = Callable[[str, str, float], Iterator[Change]]
"""``(namespace, resource version, seconds) -> changes``, see :meth:`harness.kube.KubeApi.watch`."""

# how long after another namespace was added the watch ends
_ROUND_S = 2.0
_PART_S = 30.0


def merge(
    watch: WatchOne, namespaces: Sequence[str], current: Callable[[], Sequence[str] | None], *, timeout_s: float
) -> Iterator[Change]:
    """Yield the changes in all namespaces until the time is over, or there are other namespaces.

    Args:
        watch: watches one of them.
        namespaces: what there is now.
        current: returns what there is at a later moment.
        timeout_s: how long it lasts.

    Raises:
        ApiError: one of the watches fails.
    """
    changes: queue.SimpleQueue[Change | ApiError] = queue.SimpleQueue()
    ended = threading.Event()

    def follow(namespace: str) -> None:
        since = ""
        while not ended.is_set() and (left := deadline - time.monotonic()) > 0:
            # in parts, so that the thread of an abandoned watch ends soon
            try:
                for change in watch(namespace, since, min(left, _PART_S)):
                    if ended.is_set():
                        return
                    since = str(change[1]["metadata"].get("resourceVersion") or "")
                    changes.put(change)
            except Expired:
                since = ""
            except (NotFound, Forbidden):
                return
            except ApiError as error:
                changes.put(error)
                return

    deadline = time.monotonic() + timeout_s
    for namespace in namespaces:
        threading.Thread(target=follow, args=(namespace,), daemon=True).start()
    try:
        look = time.monotonic() + _ROUND_S
        while (now := time.monotonic()) < deadline:
            try:
                change = changes.get(timeout=max(0.0, min(look, deadline) - now))
            except queue.Empty:
                change = None
            if isinstance(change, ApiError):
                raise change
            if change is not None:
                yield change
            if time.monotonic() >= look:
                if current() != namespaces:
                    return
                look = time.monotonic() + _ROUND_S
    finally:
        ended.set()
