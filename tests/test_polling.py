"""Polling for conditions that give no notice."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

import harness
from harness.wire.polling import Polling

PACKAGE = Path(harness.__file__).parent
# each sleeps after a connection was lost, for as long as it knows itself
RECONNECTING = {"incluster/airflow/podrun.py", "kube/watching.py", "run/follow.py"}
# interfaces of the platform that try a request a fixed number of times
TRYING = {"images/base-python-cpu/kaapanapy/helper/HelperDcmWeb.py", "incluster/kaapana/blueprints/kaapana_utils.py"}


class _Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def test_the_last_attempt_is_at_the_deadline(clock: _Clock) -> None:
    polling = Polling(timeout_s=1.0, pause_s=0.4)
    while polling.again():
        pass
    assert clock.pauses == [0.4, 0.4, 0.2]


def test_without_time_there_is_one_attempt_and_no_pause(clock: _Clock) -> None:
    assert not Polling(timeout_s=0, pause_s=0.4).again()
    assert clock.pauses == []


def test_pauses_grow_up_to_the_longest(clock: _Clock) -> None:
    polling = Polling(timeout_s=10, pause_s=0.2, longest_s=0.5)
    for _ in range(4):
        assert polling.again()
    assert clock.pauses == [0.2, 0.3, 0.45, 0.5]


def test_nothing_else_sleeps() -> None:
    sleeping = set()
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
        if any(ast.unparse(call.func) in {"time.sleep", "sleep"} for call in calls):
            sleeping.add(name)
    assert sleeping == {"wire/polling.py", *RECONNECTING, *TRYING}
