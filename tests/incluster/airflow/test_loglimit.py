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


def test_the_end_of_a_long_log_can_be_told_by_somebody_else() -> None:
    said: list[str] = []
    log = LogLimit(said.append, most=10)
    for number in range(20):
        log.add(f"line {number}")
    assert log.is_long
    log.replace_tail(["the", "end"])
    log.end()
    assert said[-2:] == ["the", "end"] == log.tail
    assert "left out" in said[-3]


def test_lines_that_fit_into_the_end_are_not_said_to_be_left_out() -> None:
    said: list[str] = []
    log = LogLimit(said.append, most=10)
    for number in range(5):
        log.add(f"line {number}")
    log.end()
    assert said == [f"line {number}" for number in range(5)]
