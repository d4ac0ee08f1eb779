"""Follow a run: one line for each task as it happens, and a deadline."""

from __future__ import annotations

import dataclasses
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from harness.common.redaction import redact
from harness.errors import PlatformError
from harness.run.diagnosis import seconds_between
from harness.run.ports import AirflowPort
from harness.wire.records import RunEnd, TaskChange

ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
_FINAL = frozenset({"success", "failed"})
# a broken stream is opened again; after so many breaks without news Airflow is gone
_BREAKS = 5
# the first pause after a break; it doubles, because a web server that restarts needs seconds, not attempts
_PAUSE_S = 0.4


class Listener(Protocol):
    """What receives the events of a run."""

    def task(self, task_id: str, state: str, seconds: float | None, attempt: int) -> None: ...

    def tick(self, running: list[str]) -> None: ...

    def say(self, text: str) -> None: ...


class Output(Protocol):
    """Where lines go; any text stream."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...

    def isatty(self) -> bool: ...


@dataclasses.dataclass(frozen=True)
class Followed:
    """How following ended: the run's final state, or ``None`` when the deadline came first."""

    state: str | None
    seconds: float


class Lines:
    """Writes a line for each task that ends; on a terminal also a last line that shows what is running.

    No credential shows in them.

    Args:
        stream: standard error by default.
        live: whether the last line may be rewritten, by default whether the stream is a terminal.
    """

    def __init__(self, stream: Output | None = None, *, live: bool | None = None) -> None:
        self._stream: Output = sys.stderr if stream is None else stream
        self._live = self._stream.isatty() if live is None else live
        self._started = time.monotonic()
        self._shown = ""

    def task(self, task_id: str, state: str, seconds: float | None, attempt: int) -> None:
        """Report a task's change of state; only ends and retries get a line."""
        if state not in ENDED and state != "up_for_retry":
            return
        took = f"{seconds:7.1f} s" if seconds is not None and state in {"success", "failed", "up_for_retry"} else ""
        again = f" (attempt {attempt})" if attempt > 1 or state == "up_for_retry" else ""
        self._line(f"{state:<16}{task_id}{again}", took)

    def say(self, text: str) -> None:
        """Write a separate line."""
        self._line(text)

    def tick(self, running: list[str]) -> None:
        """Show the running tasks in the live line."""
        if self._live:
            self._erase()
            self._shown = redact(f"{self._clock()} running         {', '.join(running) or '-'}")[:110]
            self._stream.write(self._shown)
            self._stream.flush()

    def close(self) -> None:
        """Remove the live line."""
        if self._live:
            self._erase()
            self._stream.flush()

    def _line(self, text: str, took: str = "") -> None:
        self._erase()
        self._stream.write(f"{self._clock()} {redact(text):<48}{took}".rstrip() + "\n")
        self._stream.flush()

    def _erase(self) -> None:
        if self._shown:
            self._stream.write("\r" + " " * len(self._shown) + "\r")
            self._shown = ""

    def _clock(self) -> str:
        return f"[{time.monotonic() - self._started:7.1f} s]"


class Redacting:
    """A listener that passes everything on without credentials.

    Args:
        listener: gets it.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def task(self, task_id: str, state: str, seconds: float | None, attempt: int) -> None:
        """Pass it on."""
        self._listener.task(redact(task_id), state, seconds, attempt)

    def tick(self, running: list[str]) -> None:
        """Pass it on."""
        self._listener.tick([redact(task_id) for task_id in running])

    def say(self, text: str) -> None:
        """Pass it on."""
        self._listener.say(redact(text))


class Silent:
    """A listener that says nothing."""

    def task(self, task_id: str, state: str, seconds: float | None, attempt: int) -> None:
        """Do nothing."""

    def tick(self, running: list[str]) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""


def follow(
    airflow: AirflowPort,
    dag_id: str,
    run_id: str,
    listener: Listener,
    *,
    timeout_s: float,
    paused: Callable[[], float] = lambda: 0.0,
) -> Followed:
    """Pass every change to ``listener`` until the run has ended or ``timeout_s`` seconds have passed.

    Args:
        paused: seconds that do not count, because the run waits for its author.

    Raises:
        PlatformError: the event stream broke again and again without any news.
    """
    started = time.monotonic()
    states: dict[str, tuple[str, int]] = {}
    since: dict[str, str] = {}
    for event in _events(airflow, dag_id, run_id, deadline=lambda: started + timeout_s + paused()):
        if event is None:
            listener.tick([name for name, (state, _) in states.items() if state == "running"])
            continue
        if isinstance(event, RunEnd):
            if event.state in _FINAL:
                return Followed(event.state, time.monotonic() - started)
            continue
        name, state = event.task_id, event.state or "none"
        if states.get(name) == (state, event.try_number):
            continue
        states[name] = (state, event.try_number)
        if state == "running":
            since[name] = event.at
        listener.task(name, state, seconds_between(since.get(name), event.at), event.try_number)
    return Followed(None, time.monotonic() - started)


def _events(
    airflow: AirflowPort, dag_id: str, run_id: str, *, deadline: Callable[[], float]
) -> Iterator[TaskChange | RunEnd | None]:
    """Yield the run's events; ``None`` for every second without one; ends at the deadline."""
    breaks = 0
    reader = _Reader(airflow, dag_id, run_id)
    try:
        while (left := deadline() - time.monotonic()) > 0:
            try:
                item = reader.queue.get(timeout=min(1.0, left))
            except queue.Empty:
                yield None
                continue
            if isinstance(item, TaskChange | RunEnd):
                breaks = 0
                yield item
                continue
            breaks += 1
            if breaks >= _BREAKS:
                raise PlatformError(
                    f"Airflow no longer reports what happens in run {run_id}",
                    last_seen=f"{type(item).__name__}: {item}" if item else "the event stream ended before the run",
                    fix="`kaapana-harness status` shows whether the platform still runs",
                )
            time.sleep(min(_PAUSE_S * 2 ** (breaks - 1), max(0.0, deadline() - time.monotonic())))
            reader = _Reader(airflow, dag_id, run_id)
    finally:
        reader.stop()


class _Reader:
    """Reads the event stream in a thread, so that waiting for it can have a deadline and be interrupted.

    The queue gets events, then the exception that ended the stream, or ``None`` for a plain end.
    """

    def __init__(self, airflow: AirflowPort, dag_id: str, run_id: str) -> None:
        self.queue: queue.Queue[TaskChange | RunEnd | Exception | None] = queue.Queue()
        self.ended = threading.Event()
        self._events = airflow.events(dag_id, run_id)
        # a daemon: a server that never answers must not keep the process alive
        threading.Thread(target=self._read, name=f"events of {run_id}", daemon=True).start()

    def _read(self) -> None:
        try:
            for event in self._events:
                if self.ended.is_set():
                    return
                self.queue.put(event)
            self.queue.put(None)
        except Exception as error:
            self.queue.put(error)

    def stop(self) -> None:
        """Stop, and discard further events."""
        self.ended.set()
