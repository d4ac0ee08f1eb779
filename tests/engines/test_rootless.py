"""Rootless Docker: refused where containers have no control groups, with a warning elsewhere.

The answers are those of Docker 28.5.2 on cgroup v1, and what its documentation says of cgroup v2.
"""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import doctor, images
from harness.cluster import open_cluster
from harness.doctor import Check, checks
from harness.doctor.engine import find_rootless_socket
from harness.doctor.facts import Inside
from harness.doctor.node_checks import decide_nodes
from harness.engine import connect, connect_api
from harness.errors import EngineError
from harness.settings import Settings
from tests.engines.conftest import Play
from tests.engines.standin import StandIn
from tests.test_doctor import GOOD, UP

PARTS = {"Components": [{"Name": name} for name in ("Engine", "containerd", "runc", "rootlesskit", "slirp4netns")]}
NO_LIMITS = {"MemoryLimit": False, "SwapLimit": False, "PidsLimit": False, "CpuCfsQuota": False, "CPUSet": False}
ROOTLESS = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}
ON_V1 = {**ROOTLESS, **NO_LIMITS, "CgroupDriver": "none", "CgroupVersion": "1"}
WITHOUT_SYSTEMD = {**ON_V1, "CgroupVersion": "2"}
# what systemd gives to users by itself: memory and pids
ON_V2 = {**ROOTLESS, "CgroupDriver": "systemd", "CgroupVersion": "2", "CpuCfsQuota": False, "CPUSet": False}


def rootless(inside: dict[str, Any]) -> StandIn:
    return StandIn(api="1.51", minimum="1.24", version="28.5.2", said=PARTS, inside=inside)


@pytest.mark.parametrize(
    ("inside", "fix"),
    [
        (ON_V1, "boot this machine with cgroup v2 (kernel parameter systemd.unified_cgroup_hierarchy=1)"),
        (WITHOUT_SYSTEMD, "start it as a service of systemd (dockerd-rootless-setuptool.sh install)"),
    ],
    ids=["cgroup v1", "cgroup v2 without systemd"],
)
def test_a_rootless_engine_without_control_groups_is_refused_at_once_by_every_way_to_it(
    inside: dict[str, Any], fix: str, play: Play, settings: Settings
) -> None:
    standin = play(rootless(inside))
    ways: list[Callable[[], object]] = [
        doctor.require_engine,
        connect,
        connect_api,
        lambda: images.ensure("services", settings=settings),
        lambda: open_cluster("docker", settings, environment_id="x"),
        lambda: doctor.preflight(lambda line: None),
    ]
    for way in ways:
        with pytest.raises(EngineError) as caught:
            way()
        assert re.fullmatch(
            r"container engine: Docker 28\.5\.2, API 1\.24 to 1\.51, unix://\S+: rootless without control groups: "
            "its containers can be neither limited nor paused",
            caught.value.cause,
        )
        assert caught.value.fix == f"{fix}, or use an engine that root runs, or unset DOCKER_HOST"
        assert caught.value.exit_status == 3
    assert standin.refused == []


def test_a_rootless_engine_with_control_groups_works_with_warnings(play: Play) -> None:
    play(rootless(ON_V2))
    assert doctor.require_engine().version == "28.5.2"
    said: list[str] = []
    doctor.preflight(said.append)
    assert said[0].endswith("cgroup v2, rootless")
    warnings = {line.partition(":")[0]: line for line in said}
    assert "not tried" in warnings["rootless engine"]
    assert "the engine sets none for processors: containers get more" in warnings["limits"]
    assert "Delegate=cpu cpuset io memory pids" in warnings["limits"]


def test_an_engine_of_root_is_asked_nothing_more_than_its_version(play: Play) -> None:
    standin = play(StandIn(inside=ON_V1))
    doctor.require_engine()
    assert standin.versions == {""}


def _warnings(inside: Inside) -> dict[str, Check]:
    facts = dataclasses.replace(GOOD, engine=dataclasses.replace(UP, inside=inside))
    return {check.name: check for check in checks.decide(facts) if check.status == checks.WARNING}


def test_limits_that_the_kernel_has_switched_off_are_a_warning() -> None:
    assert _warnings(Inside(driver="overlay2", cgroups="2")) == {}
    found = _warnings(Inside(driver="overlay2", unlimited=("memory", "processes")))["limits"]
    assert found.detail == ("the engine sets none for memory and processes: containers get more than pods may have")
    assert "cgroup_enable=memory" in found.command


@pytest.mark.parametrize(
    ("inside", "refused"),
    [
        (Inside(rootless=True, unlimited=("processors",)), True),
        (Inside(rootless=True), False),
        (Inside(unlimited=("processors",)), False),
    ],
)
def test_nodes_of_kind_in_a_rootless_engine_need_all_control_groups(inside: Inside, refused: bool) -> None:
    facts = dataclasses.replace(GOOD, engine=dataclasses.replace(UP, inside=inside))
    found = [check for check in decide_nodes(facts) if check.status == checks.MISSING]
    assert [check.name for check in found] == (["control groups"] if refused else [])


def test_only_a_socket_of_docker_is_pointed_at(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with socket.socket(socket.AF_UNIX) as podman, socket.socket(socket.AF_UNIX) as own:
        (tmp_path / "podman").mkdir()
        podman.bind(str(tmp_path / "podman" / "podman.sock"))
        assert find_rootless_socket(environ) == ""
        own.bind(str(tmp_path / "docker.sock"))
        assert find_rootless_socket(environ) == str(tmp_path / "docker.sock")
