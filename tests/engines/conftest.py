"""A proxy that behaves like an engine of another release, and separate settings."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import doctor, images
from harness.doctor.facts import EngineFacts
from harness.settings import Settings
from tests.engines.standin import StandIn

Play = Callable[[StandIn], StandIn]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    return Settings(start_timeout=120)


@pytest.fixture
def services_image(usable_engine: EngineFacts, settings: Settings) -> str:
    """An image with Python, made on the real engine."""
    return images.ensure("services", settings=settings)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """Let a stand-in be the engine that ``DOCKER_HOST`` names."""
    with contextlib.ExitStack() as stack:

        def begin(standin: StandIn) -> StandIn:
            real = doctor.require_engine()
            standin.real = real.socket
            monkeypatch.setenv("DOCKER_HOST", stack.enter_context(standin.listening(tmp_path / "engine.sock")))
            return standin

        yield begin
