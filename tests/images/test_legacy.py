"""The time limit of the legacy builder, at an engine that says little."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.images import legacy
from harness.images.building import BuilderError, BuildRequest
from harness.images.context import Context, ContextEntry
from harness.images.dockerfile import Dockerfile
from tests.engines.scripted import Answer, ScriptedEngine

TEXT = "FROM x\nRUN sleep 60\n"
STEP = {"stream": "Step 2/2 : RUN sleep 60\n"}
TIMEOUT = r"^not finished within 1 s: raise the limit with KAAPANA_HARNESS_BUILD_TIMEOUT"
LIMIT_S = 20.0


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEngine]:
    """The engine that ``DOCKER_HOST`` names."""
    made = ScriptedEngine()
    with made.listening(tmp_path / "engine.sock") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        yield made


def make_request(timeout_s: float, *, size: int = 0) -> BuildRequest:
    entries = [ContextEntry("Dockerfile", content=TEXT.encode()), ContextEntry("large", content=bytes(size))]
    return BuildRequest(Context(entries), "Dockerfile", Dockerfile(TEXT), "x:1", {}, {}, {}, {}, None, timeout_s)


@pytest.mark.parametrize(
    "answer",
    [Answer((STEP,), silent=True), Answer(silent=True), Answer((STEP,) * 1000, pause_s=0.1)],
    ids=["silent step", "no answer", "endless output"],
)
def test_a_build_ends_with_the_time_that_it_may_take_and_is_cancelled(scripted: ScriptedEngine, answer: Answer) -> None:
    scripted.answers = {"POST /build": answer}
    with pytest.raises(BuilderError, match=TIMEOUT):
        list(legacy.build(make_request(1)))
    assert scripted.left.wait(LIMIT_S)


def test_a_silent_step_has_the_time_that_those_before_it_have_left(scripted: ScriptedEngine) -> None:
    scripted.answers = {"POST /build": Answer((STEP, STEP), silent=True, pause_s=4)}
    begun = time.monotonic()
    with pytest.raises(BuilderError, match=r"^not finished within 6 s"):
        list(legacy.build(make_request(6)))
    # counted from the last line, it would be 14
    assert time.monotonic() - begun < 14


def test_a_context_that_the_engine_does_not_take_ends_the_build(scripted: ScriptedEngine) -> None:
    scripted.answers = {"POST /build": Answer(reads=False, silent=True)}
    with pytest.raises(BuilderError, match=TIMEOUT):
        list(legacy.build(make_request(1, size=1 << 24)))
    assert scripted.left.wait(LIMIT_S)


def test_a_build_that_nobody_follows_any_more_is_cancelled(scripted: ScriptedEngine) -> None:
    scripted.answers = {"POST /build": Answer((STEP,), silent=True)}
    lines = legacy.build(make_request(600))
    assert next(lines).step == "RUN sleep 60"
    lines.close()
    assert scripted.left.wait(LIMIT_S)


def test_a_build_that_ends_in_time_leaves_nothing_behind(scripted: ScriptedEngine) -> None:
    scripted.answers = {"POST /build": Answer((STEP, {"stream": "done"}))}
    assert [line.text for line in legacy.build(make_request(600))] == ["Step 2/2 : RUN sleep 60", "done"]
    [request] = scripted.requests
    assert request.params == {
        "dockerfile": "Dockerfile", "t": "x:1", "buildargs": "{}", "labels": "{}", "rm": "1", "forcerm": "1"
    }  # fmt: skip


def test_a_connection_that_breaks_before_the_limit_is_named(scripted: ScriptedEngine) -> None:
    scripted.answers = {"POST /build": Answer((STEP,), breaks=True)}
    with pytest.raises(BuilderError, match="Response ended prematurely"):
        list(legacy.build(make_request(600)))
