"""A run is shown as it happens, with a deadline, over a stream that may break."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from harness.errors import PlatformError
from harness.run.follow import Lines, Silent, follow
from harness.wire.records import RunEnd, TaskChange


def event(task: str, state: str, second: int, attempt: int = 1) -> TaskChange:
    return TaskChange(task, state, attempt, f"2026-11-24T20:00:{second:02d}+00:00")


class Streams:
    """Plays one list of events for each time that the stream is opened; an exception in it breaks the stream."""

    def __init__(self, *streams: list[Any]) -> None:
        self.streams = list(streams)
        self.opened = 0

    def events(self, dag_id: str, run_id: str) -> Iterator[TaskChange | RunEnd]:
        self.opened += 1
        for item in self.streams.pop(0) if self.streams else []:
            if isinstance(item, Exception):
                raise item
            yield item


def followed(airflow: Any, **extra: Any) -> tuple[str | None, list[str]]:
    stream = io.StringIO()
    lines = Lines(stream, live=False)
    state = follow(airflow, "dag", "run", lines, timeout_s=extra.pop("timeout_s", 10)).state
    return state, stream.getvalue().splitlines()


def test_every_task_that_ends_gets_one_line_with_its_duration() -> None:
    airflow = Streams(
        [
            event("get-input", "queued", 0),
            event("get-input", "running", 1),
            event("get-input", "success", 3),
            event("otsus-method", "running", 3),
            event("otsus-method", "failed", 7),
            event("clean", "upstream_failed", 7),
            RunEnd("failed"),
        ]
    )
    state, lines = followed(airflow)
    assert state == "failed"
    assert [line.split("] ")[1].split() for line in lines] == [
        ["success", "get-input", "2.0", "s"],
        ["failed", "otsus-method", "4.0", "s"],
        ["upstream_failed", "clean"],
    ]


def test_a_retry_is_shown_with_its_attempt() -> None:
    airflow = Streams(
        [
            event("a", "running", 1),
            event("a", "up_for_retry", 2),
            event("a", "running", 3, attempt=2),
            event("a", "success", 4, attempt=2),
            RunEnd("success"),
        ]
    )
    _, lines = followed(airflow)
    assert "up_for_retry" in lines[0]
    assert "a (attempt 2)" in lines[1]


def test_a_broken_stream_is_opened_again_and_nothing_is_reported_twice() -> None:
    first = [event("a", "running", 1), event("a", "success", 2), OSError("reset")]
    airflow = Streams(first, [event("a", "success", 2), event("b", "success", 3), RunEnd("success")])
    state, lines = followed(airflow)
    assert (state, airflow.opened, len(lines)) == ("success", 2, 2)


def test_a_stream_that_breaks_again_and_again_means_that_airflow_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.follow._PAUSE_S", 0.001)
    with pytest.raises(PlatformError, match="no longer reports what happens") as failure:
        follow(Streams(*[[OSError("refused")]] * 9), "dag", "run", Silent(), timeout_s=60)
    assert "refused" in failure.value.last_seen


def test_the_deadline_ends_following_without_a_state() -> None:
    class Hanging:
        def events(self, dag_id: str, run_id: str) -> Iterator[TaskChange | RunEnd]:
            yield event("a", "running", 1)
            import threading

            threading.Event().wait()

    assert followed(Hanging(), timeout_s=0.2)[0] is None


def test_a_terminal_shows_what_is_running_and_leaves_no_trace_of_it() -> None:
    stream = io.StringIO()
    lines = Lines(stream, live=True)
    lines.tick(["otsus-method"])
    assert stream.getvalue().endswith("otsus-method")
    lines.task("otsus-method", "success", 1.0, 1)
    lines.close()
    assert stream.getvalue().split("\r")[-1].endswith("1.0 s\n")
