"""The log of a task is bounded, and its end is always there."""

from __future__ import annotations

from harness.incluster.airflow.loglimit import TAIL_LINES, LogLimit


def test_a_log_of_ordinary_size_is_passed_on_line_by_line() -> None:
    said: list[str] = []
    log = LogLimit(said.append, most=100)
    for number in range(3):
        log.add(f"line {number}")
        assert said[-1] == f"line {number}"
    log.end()
    assert said == ["line 0", "line 1", "line 2"] == log.tail


def test_of_a_long_log_the_middle_is_left_out_and_the_end_is_there_once() -> None:
    said: list[str] = []
    log = LogLimit(said.append, most=100)
    for number in range(10_000):
        log.add(f"line {number}")
    log.end()
    log.end()
    assert said[0] == "line 0"
    assert said[-1] == "line 9999"
    assert len(said) < TAIL_LINES + 50
    (gap,) = [line for line in said if "left out" in line]
    assert len(said) - said.index(gap) == TAIL_LINES + 1
    assert log.tail == said[-TAIL_LINES:]


def test_a_stream_that_ended_early_is_completed_by_the_last_lines() -> None:
    said: list[str] = []
    log = LogLimit(said.append)
    whole = [f"line {number}" for number in range(1000)]
    for line in whole[:949]:
        log.add(line)
    log.complete(whole[-TAIL_LINES:])
    log.end()
    assert said == whole
    assert log.tail == whole[-TAIL_LINES:]


def test_a_log_that_is_whole_is_not_repeated() -> None:
    for whole in (["only"], ["same"] * 500, ["a", "b", "a", "b", "a"], []):
        said: list[str] = []
        log = LogLimit(said.append)
        for line in whole:
            log.add(line)
        log.complete(whole[-TAIL_LINES:])
        log.end()
        assert said == whole


def test_a_short_log_of_which_nothing_came_is_there_without_a_gap() -> None:
    said: list[str] = []
    log = LogLimit(said.append)
    log.complete(["the", "end"])
    log.end()
    assert said == ["the", "end"]


def test_a_stream_that_missed_more_than_the_last_lines_has_a_gap() -> None:
    said: list[str] = []
    log = LogLimit(said.append)
    log.add("first")
    log.complete([f"line {number}" for number in range(TAIL_LINES)])
    log.end()
    assert "left out" in said[1]
    assert said[2:] == log.tail == [f"line {number}" for number in range(TAIL_LINES)]


def test_the_end_of_a_long_log_is_completed() -> None:
    said: list[str] = []
    log = LogLimit(said.append, most=10)
    for number in range(20):
        log.add(f"line {number}")
    log.complete(["line 18", "line 19", "the", "end"])
    log.end()
    assert said[-3:] == ["line 19", "the", "end"]
    assert log.tail == said[-TAIL_LINES:]


def test_lines_that_fit_into_the_end_are_not_said_to_be_left_out() -> None:
    said: list[str] = []
    log = LogLimit(said.append, most=10)
    for number in range(5):
        log.add(f"line {number}")
    log.end()
    assert said == [f"line {number}" for number in range(5)]


def test_a_long_log_of_which_nothing_came_has_a_gap() -> None:
    said: list[str] = []
    log = LogLimit(said.append)
    log.complete([f"line {number}" for number in range(TAIL_LINES)])
    log.end()
    assert "left out" in said[0]
    assert said[1:] == log.tail
