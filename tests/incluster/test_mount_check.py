"""What is mounted in a container that has just started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.incluster.controlplane import mount_check
from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.engine import EngineCallError
from harness.incluster.controlplane.mounts import Mount
from tests.incluster.host_processes import make_process

CONTAINER = "4f" * 32
PID = 4711
WANTED = {"/data": Mount("254:0", "/volumes/v/data")}
RIGHT = b"200 199 254:0 /volumes/v/data /data rw - ext4 /dev/vda rw\n"
WRONG = RIGHT.replace(b"/volumes/v/data", b"/etc")


class Engine:
    """An engine with one container.

    Attributes:
        calls: what was done with it, and helpers that were started.
        seen_by_helper: the table that a helper in its process namespace reads; ``None``: it has ended.
    """

    def __init__(self, seen_by_helper: bytes | None = None, *, paused: bool = True) -> None:
        self.calls: list[str] = []
        self.seen_by_helper = seen_by_helper
        self._paused = paused

    async def pause(self, container: str) -> bool:
        self.calls.append("pause")
        return self._paused

    async def inspect(self, container: str) -> dict[str, Any]:
        return {"Id": container, "State": {"Pid": PID}}

    async def runs(self, container: str) -> bool:
        return self.seen_by_helper is not None

    async def call(self, method: str, path: str) -> None:
        self.calls.append(path.rpartition("/")[2])


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in a helper what its engine has."""

    async def run(engine: Engine, *arguments: Any, name: str) -> bytes:
        engine.calls.append("helper")
        if engine.seen_by_helper is None:
            raise EngineCallError(409, "the container does not run")
        return engine.seen_by_helper

    monkeypatch.setattr(mount_check, "run_helper", run)


def check(engine: Engine, processes: Path, wanted: Mapping[str, Mount] = WANTED) -> str:
    """Check a container as the control plane does before its program goes on."""
    config = ControlPlaneConfig("t", "1@x", "now", "token", "secret", processes=str(processes))
    return asyncio.run(mount_check.check_mounts(engine, config, "image", CONTAINER, wanted))  # type: ignore[arg-type]


GROUPS = {
    "version 1": f"9:memory:/docker/{CONTAINER}\n1:name=systemd:/docker/{CONTAINER}\n",
    "version 2": f"0::/../{CONTAINER}\n",
    "systemd": f"0::/../../system.slice/docker-{CONTAINER}.scope\n",
}


@pytest.mark.usefixtures("helper")
@pytest.mark.parametrize("cgroup", GROUPS.values(), ids=GROUPS.keys())
def test_mounts_are_read_from_the_hosts_processes_without_another_container(cgroup: str, tmp_path: Path) -> None:
    engine = Engine(WRONG)
    assert check(engine, make_process(tmp_path, PID, RIGHT, cgroup)) == ""
    assert engine.calls == ["pause", "unpause"]


@pytest.mark.usefixtures("helper")
def test_a_container_with_another_mount_does_not_continue(tmp_path: Path) -> None:
    engine = Engine(RIGHT)
    found = check(engine, make_process(tmp_path, PID, WRONG, GROUPS["version 2"]))
    assert found == "a path changed while it was mounted at /data: links in volumes are not followed"
    assert engine.calls == ["pause"]


@pytest.mark.usefixtures("helper")
@pytest.mark.parametrize("cgroup", ["0::/\n", f"0::/../{'5e' * 32}\n"], ids=["of the host", "another container's"])
def test_the_table_of_another_process_with_the_same_number_does_not_count(cgroup: str, tmp_path: Path) -> None:
    engine = Engine(WRONG)
    assert "at /data" in check(engine, make_process(tmp_path, PID, RIGHT, cgroup))
    assert engine.calls == ["pause", "helper"]


@pytest.mark.usefixtures("helper")
def test_a_helper_reads_the_mounts_where_the_host_hides_its_processes(tmp_path: Path) -> None:
    engine = Engine(RIGHT)
    assert check(engine, tmp_path) == ""
    assert engine.calls == ["pause", "helper", "unpause"]


@pytest.mark.usefixtures("helper")
def test_a_container_that_ends_while_it_is_examined_has_no_wrong_mount(tmp_path: Path) -> None:
    engine = Engine(None)
    assert check(engine, tmp_path) == ""


def test_a_container_that_has_ended_has_no_wrong_mount(tmp_path: Path) -> None:
    engine = Engine(paused=False)
    assert check(engine, tmp_path) == ""
    assert engine.calls == ["pause"]


def test_a_container_without_mounts_to_check_is_not_paused(tmp_path: Path) -> None:
    engine = Engine()
    assert check(engine, tmp_path, {}) == ""
    assert engine.calls == []
