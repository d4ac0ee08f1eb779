"""Notice changes on an environment, and send them to the browsers that have the page open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, Protocol

from harness.errors import HarnessError
from harness.kube import ApiError
from harness.page.facts import ShownRun
from harness.platform.http import RefusalError

INTERVAL_S: Final = 1.0
SELDOM: Final = 3
GONE: Final = "gone"
BACK: Final = "back"
CHANGED: Final = "changed"

_LOG = logging.getLogger(__name__)


def format_run_name(dag_id: str, run_id: str) -> str:
    """Return the name of a run in events about changes."""
    return f"run {dag_id} {run_id}"


class Subscription:
    """What one open page has not been sent yet; the same change is sent once, however often it comes.

    Args:
        loop: in which it is read.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[tuple[str, str], None] = {}
        self._any = asyncio.Event()
        self._closed = False

    def put(self, kind: str, text: str) -> None:
        """Queue an event, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._add, kind, text)

    def close(self) -> None:
        """Make :meth:`read` return ``None``, from any thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end)

    async def read(self, timeout_s: float) -> list[tuple[str, str]] | None:
        """Return the new events, an empty list when the time is over, ``None`` at the end."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._any.wait(), timeout_s)
        if self._closed:
            return None
        found, self._waiting = list(self._waiting), {}
        self._any.clear()
        return found

    def _add(self, kind: str, text: str) -> None:
        self._waiting[kind, text] = None
        self._any.set()

    def _end(self) -> None:
        self._closed = True
        self._any.set()


class Hub:
    """The browsers that have the page open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: list[Subscription] = []
        self._closed = False

    @property
    def watched(self) -> bool:
        """Whether a browser has the page open."""
        return bool(self._subscriptions)

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Yield the changes from now on; in the event loop."""
        subscription = Subscription(asyncio.get_running_loop())
        with self._lock:
            self._subscriptions.append(subscription)
            if self._closed:
                subscription.close()
        try:
            yield subscription
        finally:
            with self._lock:
                self._subscriptions.remove(subscription)

    def publish(self, kind: str, text: str) -> None:
        """Send an event to all browsers."""
        with self._lock:
            for subscription in self._subscriptions:
                subscription.put(kind, text)

    def close(self) -> None:
        """End the events of all browsers."""
        with self._lock:
            self._closed = True
            for subscription in self._subscriptions:
                subscription.close()


class WatchedSource(Protocol):
    """What is watched; :class:`harness.page.source.Source` is one."""

    def runs(self) -> list[ShownRun]:
        """Return the runs."""

    def follow(self, run: ShownRun, changed: Callable[[], object], stopped: Callable[[], bool]) -> None:
        """Call ``changed`` for each change of a task until the run has ended, or ``stopped`` says so."""

    def explain(self, error: Exception) -> str:
        """Return why the environment does not answer, in one line."""


class Observer:
    """Compares what is there with what was there a moment ago, while a browser has the page open.

    Args:
        source: that is asked.
        parts: name of a part of the page to what it shows.
        hub: gets the changes.
        urgent: the parts that are compared at each look, the others at one of :data:`SELDOM`.
    """

    def __init__(
        self,
        source: WatchedSource,
        parts: Mapping[str, Callable[[], Any]],
        hub: Hub,
        urgent: Collection[str] = (),
    ) -> None:
        self._source = source
        self._parts = parts
        self._hub = hub
        self._urgent = urgent
        self._looks = 0
        self._lock = threading.Lock()
        self._seen: dict[str, Any] = {}
        self._followed: dict[str, threading.Thread] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="page watch", daemon=True)
        self.trouble = ""
        """Why the environment did not answer when it was asked last; empty while it does."""

    def start(self) -> None:
        """Begin in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End all threads, and wait until they have."""
        self._stop.set()
        for thread in [self._thread, *self._followed.values()]:
            # a request to an environment that hangs may take longer; the thread ends with the process then
            thread.join(timeout=5.0)

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            if self._hub.watched:
                self.look()

    def look(self) -> None:
        """Compare once."""
        try:
            self._looks += 1
            for name, read in self._parts.items():
                if name not in self._urgent and self._looks % SELDOM:
                    continue
                # what is removed between two questions is refused: the next look no longer asks for it
                with contextlib.suppress(RefusalError):
                    self.compare(name, read())
            self._follow(self._source.runs())
        except (HarnessError, ApiError) as error:
            trouble = self._source.explain(error)
            if trouble != self.trouble:
                self.trouble = trouble
                self._hub.publish(GONE, trouble)
            return
        if self.trouble:
            self.trouble = ""
            self._hub.publish(BACK, "")

    def compare(self, name: str, found: Any) -> None:
        """Publish a change if a part shows something else than it did at the last look or in the last answer."""
        with self._lock:
            changed = name in self._seen and self._seen[name] != found
            self._seen[name] = found
        if changed:
            self._hub.publish(CHANGED, name)

    def _follow(self, runs: list[ShownRun]) -> None:
        self._followed = {name: thread for name, thread in self._followed.items() if thread.is_alive()}
        for run in runs:
            name = format_run_name(run.dag_id, run.run_id)
            if run.run_id and not run.ended and name not in self._followed:
                thread = threading.Thread(target=self._follow_run, args=(run, name), name=name, daemon=True)
                self._followed[name] = thread
                thread.start()

    def _follow_run(self, run: ShownRun, name: str) -> None:
        try:
            self._source.follow(run, lambda: self._hub.publish(CHANGED, name), self._stop.is_set)
        except (HarnessError, ApiError) as error:
            # the next look says what is wrong
            _LOG.debug("%s: %s", name, error)
        self._hub.publish(CHANGED, name)
