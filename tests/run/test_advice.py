"""The next step for what containers are known to fail with."""

from __future__ import annotations

import pytest

from harness.run.advice import advise, advise_on_reason
from harness.wire import reasons


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("BlockingIOError: [Errno 11] Resource temporarily unavailable", "processes and threads"),
        ("RuntimeError: can't start new thread", "processes and threads"),
        ("sh: 1: Cannot fork", "processes and threads"),
        ("OSError: [Errno 28] No space left on device", "disk of this machine"),
        ("OSError: [Errno 28] No space left on device: '/dev/shm/x'", "ram_mem_mb_lmt"),
        ("nrrd2dcmseg: exec format error", "another processor"),
    ],
)
def test_a_limit_that_a_container_meets_is_named(text: str, words: str) -> None:
    assert words in advise(text, "MyOperator")


def test_a_missing_variable_may_have_a_misspelt_name() -> None:
    advice = advise("KeyError: 'TRESHOLD'", "MyOperator")
    assert "no TRESHOLD: correct its name" in advice
    assert "env_vars" in advice


def test_an_interactive_step_is_recognized_by_its_reason_and_not_by_its_message() -> None:
    assert "leave dev_server" in advise_on_reason(reasons.INTERACTIVE_STEP)
    assert advise_on_reason(reasons.ERROR) == ""
    assert advise("train is an interactive step (dev_server='code-server')", "MyOperator") == ""
