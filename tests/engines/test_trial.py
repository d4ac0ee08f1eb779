"""The first container of an engine shows hidden problems within seconds, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import images
from harness.cluster import ledger
from harness.engine import connect, leftovers, networks, own_socket, trial
from harness.errors import EngineError
from harness.images import resolve
from harness.settings import Settings
from tests.engines.conftest import Play
from tests.engines.standin import StandIn


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield
    with contextlib.closing(connect()) as client:
        ours = [found for found in leftovers.find(client).values() if found.owner.startswith(f"{os.getpid()}@")]
        assert [found.environment for found in ours if found.environment.startswith("trial-")] == []


def test_an_engine_that_serves_passes(services_image: str) -> None:
    trial.try_engine(services_image)


def test_a_published_port_that_is_not_reached_is_named(services_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_ANSWERS_S", 0.5)
    # as from a network of its own: no process listens there
    monkeypatch.setattr(networks, "find_published_port", lambda *arguments: 1)
    with pytest.raises(
        EngineError, match=r"port \d+ of 127.0.0.1, which the engine publishes, is not reached"
    ) as caught:
        trial.try_engine(services_image)
    assert "refused" in caught.value.last_seen
    assert "--network host" in caught.value.fix


class Api:
    """An engine whose container has started, and publishes nothing."""

    def __init__(self, log: str, *, running: bool) -> None:
        self._log = log
        self._running = running

    def logs(self, name: str) -> bytes:
        return self._log.encode()

    def inspect_container(self, name: str) -> dict[str, Any]:
        return {"State": {"Running": self._running}}

    def port(self, name: str, port: int) -> None:
        return None


@pytest.mark.parametrize(
    ("log", "running", "cause", "last_seen"),
    [
        ("No space left on device", False, "a container does not run a program", "No space left on device"),
        ("listening", True, "the engine publishes no port of a container at 127.0.0.1", "listens at its port 8000"),
    ],
    ids=["it has ended", "it listens"],
)
def test_a_container_without_a_published_port_is_an_error_that_tells_why(
    log: str, running: bool, cause: str, last_seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_start", lambda *arguments: None)
    with pytest.raises(EngineError, match=cause) as caught:
        trial._start_and_reach(Api(log, running=running), "i", ledger.new_entry("x", cluster=""), "s")  # type: ignore[arg-type]
    assert last_seen in caught.value.last_seen


@pytest.mark.parametrize(
    "refused",
    [r"POST /networks/create", r"POST /containers/.*/start", r"POST /images/create"],
    ids=["a network", "the start", "an image"],
)
def test_a_refusal_of_the_engine_is_reported_with_its_message(refused: str, play: Play, services_image: str) -> None:
    play(StandIn(refusals={refused: (500, "operation not permitted")}))
    with pytest.raises(EngineError, match="as the platform needs them: operation not permitted"):
        trial.try_engine(services_image)


def test_a_socket_that_containers_cannot_use_is_named(
    services_image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "engine.sock").touch()
    monkeypatch.setattr(own_socket, "list_candidates", lambda: [f"{tmp_path}/engine.sock"])
    with pytest.raises(EngineError, match="mounts the engine's socket does not reach the engine: Connection refused"):
        trial.try_engine(services_image)


def test_a_volume_whose_content_is_not_at_its_path_is_named(
    services_image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    forgetful = tmp_path / "program.py"
    forgetful.write_text(trial._PROGRAM.read_text("utf-8").replace('"word").write_text', '"other").write_text'))
    monkeypatch.setattr(trial, "_PROGRAM", forgetful)
    with pytest.raises(
        EngineError, match="does not see the content of a volume that it mounts by its path /"
    ) as caught:
        trial.try_engine(services_image)
    assert "No such file" in caught.value.last_seen


def test_a_push_that_the_engine_refuses_is_reported_with_its_message(play: Play, services_image: str) -> None:
    play(StandIn(refusals={r"POST /images/.*/push": (500, "operation not permitted")}))
    with pytest.raises(EngineError, match="cannot push to a port of its own machine: operation not permitted"):
        trial.try_engine(services_image)


def test_a_push_that_does_not_arrive_is_reported_with_the_engines_message() -> None:
    with contextlib.closing(connect()) as client:
        try:
            with pytest.raises(EngineError, match=r"cannot push to a port of its own machine: .*refused"):
                trial._check_push(client.api, "localhost:1/kh-trial-unreached/trial")
        finally:
            leftovers.remove_tags(client, "kh-trial-unreached/")
        assert not client.images.list("localhost:1/kh-trial-unreached/trial")


def test_the_trial_comes_as_soon_as_its_image_is_there_and_its_error_ends_the_rest(
    services_image: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def make(image: Any, *_: Any) -> resolve.Made:
        made.append(image.name)
        return resolve.Made(f"{image.name}:1", "sha256:1", "1")

    def refuse(tag: str) -> None:
        raise EngineError(f"no container of {tag}")

    monkeypatch.setattr(resolve, "_find_present", lambda *_: {})
    monkeypatch.setattr(resolve, "_make", make)
    with pytest.raises(EngineError, match="no container of python:1"):
        images.ensure_all(["services", "airflow"], settings=settings, on_made={"python": refuse})
    assert made == ["debian", "rootfs", "python"]
