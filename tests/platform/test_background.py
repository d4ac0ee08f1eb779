"""Errors while two things run at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait

import pytest

from harness import images
from harness.errors import EngineError
from harness.platform import environment
from harness.platform.background import run_in_background
from harness.settings import Settings


def _fail() -> None:
    raise ValueError("of the job")


def _raise_once_ended(job: Future[object]) -> None:
    wait([job], timeout=10)
    raise TimeoutError("of the block")


def test_the_block_ends_when_the_job_has_ended() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def job() -> str:
        begun.set()
        go_on.wait(10)
        done.set()
        return "result"

    with run_in_background(job) as future:
        assert begun.wait(10)
        assert not done.is_set()
        go_on.set()
    assert done.is_set()
    assert future.result() == "result"


def test_the_jobs_error_is_the_cause_also_when_the_block_fails_in_consequence() -> None:
    with pytest.raises(ValueError, match="of the job"), run_in_background(_fail):
        pass
    with pytest.raises(ValueError, match="of the job") as caught, run_in_background(_fail) as job:
        _raise_once_ended(job)
    assert isinstance(caught.value.__cause__, TimeoutError)


def test_the_blocks_error_is_raised_while_the_job_works_or_has_succeeded() -> None:
    go_on = threading.Event()
    with pytest.raises(TimeoutError), run_in_background(lambda: go_on.wait(10)):
        raise TimeoutError("of the block")
    go_on.set()
    with pytest.raises(TimeoutError), run_in_background(lambda: None) as job:
        _raise_once_ended(job)


def test_an_error_of_the_images_does_not_wait_for_the_registry_that_is_prepared_beside_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def prepare(*_: object) -> str:
        begun.set()
        go_on.wait(10)
        done.set()
        return "registry:1"

    def refuse(*_: object, **__: object) -> dict[str, str]:
        assert begun.wait(10)
        raise EngineError("the engine does not run containers")

    monkeypatch.setattr(environment, "_make_seeded_registry", prepare)
    monkeypatch.setattr(images, "ensure_all", refuse)
    with pytest.raises(EngineError, match="does not run containers"):
        environment.Environment.up(Settings())
    assert not done.is_set()
    go_on.set()


def test_an_interrupt_does_not_wait_for_the_job() -> None:
    go_on, done = threading.Event(), threading.Event()

    def job() -> None:
        go_on.wait(10)
        done.set()

    with pytest.raises(KeyboardInterrupt), run_in_background(job):
        raise KeyboardInterrupt
    assert not done.is_set()
    go_on.set()
    assert done.wait(10)
