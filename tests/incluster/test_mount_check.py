"""What is mounted in a container that has just started."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.incluster.controlplane import helper_containers
from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.engine import EngineCallError
from harness.incluster.controlplane.mounts import Mount

CONTAINER = "4f" * 32
WANTED = {"/data": Mount("254:0", "/volumes/v/data")}
RIGHT = b"200 199 254:0 /volumes/v/data /data rw - ext4 /dev/vda rw\n"
WRONG = RIGHT.replace(b"/volumes/v/data", b"/etc")


class Engine:
    """An engine with one container.

    Attributes:
        table: the mounts that a helper reads; ``None``: the container has ended.
        pauses: whether it runs when it is to be paused.
        runs_on: whether it still runs after the helper was refused.
        calls: what was done with it, and helpers that were started.
    """

    def __init__(self, table: bytes | None, *, pauses: bool = True, runs_on: bool = False) -> None:
        self.table = table
        self.pauses = pauses
        self.runs_on = runs_on
        self.calls: list[str] = []

    async def pause(self, container: str) -> bool:
        self.calls.append("pause")
        return self.pauses

    async def runs(self, container: str) -> bool:
        return self.runs_on

    async def call(self, method: str, path: str) -> None:
        self.calls.append(path.rpartition("/")[2])


@pytest.fixture(autouse=True)
def _helper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in a helper what its engine has."""

    async def run(engine: Engine, *_arguments: Any, name: str) -> bytes:
        engine.calls.append("helper")
        if engine.table is None:
            raise EngineCallError(409, "no process to join")
        return engine.table

    monkeypatch.setattr(helper_containers, "run_helper", run)


def check(engine: Engine) -> str:
    """Check the container as the control plane does before its program goes on."""
    config = ControlPlaneConfig("t", "1@x", "now", "token", "secret")
    return asyncio.run(helper_containers.check_mounts(engine, config, "image", CONTAINER, WANTED))  # type: ignore[arg-type]


def test_a_container_with_the_expected_mounts_continues() -> None:
    engine = Engine(RIGHT)
    assert check(engine) == ""
    assert engine.calls == ["pause", "helper", "unpause"]


def test_a_container_with_another_mount_does_not_continue() -> None:
    engine = Engine(WRONG)
    assert check(engine) == "a path changed while it was mounted at /data: links in volumes are not followed"
    assert engine.calls == ["pause", "helper"]


@pytest.mark.parametrize("engine", [Engine(RIGHT, pauses=False), Engine(None)], ids=["before", "meanwhile"])
def test_a_container_that_ends_has_no_wrong_mount(engine: Engine) -> None:
    assert check(engine) == ""
    assert "unpause" not in engine.calls


def test_a_container_whose_mounts_cannot_be_read_does_not_continue() -> None:
    engine = Engine(None, runs_on=True)
    assert check(engine).startswith("what is mounted cannot be looked at: ")
    assert "unpause" not in engine.calls
