"""Note what MinIO refuses, as the services themselves do."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from typing import Final, Protocol

from harness.incluster.services.objecttrace import ObjectRequest
from harness.incluster.services.refusals import RefusalLog
from harness.wire import names
from harness.wire.service_refusals import RefusedRequest

log = logging.getLogger("harness.incluster.services.objectstore")

_AGAIN_S: Final = 0.5
_MARK: Final = "kaapana-harness-mark-"


class WatchableStore(Protocol):
    """The part of the object store that this needs."""

    def requests(self) -> Iterator[ObjectRequest | None]:
        """Yield requests to the store, and sometimes ``None``. Any error of the connection may end it."""

    def touch(self, name: str) -> None:
        """Ask for a bucket of this name, which does not exist."""


class ObjectWatch:
    """Follows the store's requests in a thread.

    Args:
        store: the object store.
        refusals: where its refusals are noted.
    """

    def __init__(self, store: WatchableStore, refusals: RefusalLog) -> None:
        self._store, self._refusals = store, refusals
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._following = False
        self._marks: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="object-watch", daemon=True)

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End the background thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def catch_up(self, timeout_s: float) -> bool:
        """Wait until everything that was refused before this call is noted.

        The store tells of its requests a moment later, and in their order: a request of our own is waited for.

        Returns:
            Whether it is; not where the store tells nothing.
        """
        name = _MARK + uuid.uuid4().hex
        with self._changed:
            if not self._following:
                return False
        try:
            self._store.touch(name)
        except Exception as problem:
            log.info("the object store cannot be asked: %s", problem)
            return False
        with self._changed:
            came = self._changed.wait_for(lambda: name in self._marks or not self._following, timeout_s)
            seen = name in self._marks
            self._marks.discard(name)
        return came and seen

    def _run(self) -> None:
        reported = ""
        while not self._stop.is_set():
            try:
                for request in self._store.requests():
                    if self._stop.is_set():
                        return
                    self._take(request)
            except Exception as problem:
                # the libraries below have many: the store is away, and comes back or the environment ends
                if str(problem) != reported:
                    log.info("the object store's requests are not followed: %s: %s", type(problem).__name__, problem)
                reported = str(problem)
            with self._changed:
                self._following = False
                self._changed.notify_all()
            self._stop.wait(_AGAIN_S)

    def _take(self, request: ObjectRequest | None) -> None:
        with self._changed:
            if request is None:
                self._following = True
                return
            name = request.path.strip("/")
            if name.startswith(_MARK):
                self._marks.add(name)
                self._changed.notify_all()
                return
        if request.status < 400:
            self._refusals.record_success(request.peer, request.at)
            return
        self._refusals.add(
            RefusedRequest(
                service=names.MINIO[0],
                status=request.status,
                method=request.method,
                route=request.path,
                reason=request.reason,
                peer=request.peer,
                at=request.at,
                code=request.code,
            )
        )
