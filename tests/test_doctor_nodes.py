"""The needs of kind nodes are checked before their image is made, with the command that helps."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness import doctor, images
from harness.cli.verbs import cli
from harness.cluster.kind import cluster, command, node_image
from harness.cluster.kind.cluster import KindCluster
from harness.doctor import Check, Facts, checks, docker_command, probe
from harness.doctor.command import examine_nodes
from harness.doctor.facts import Inside
from harness.doctor.node_checks import decide_nodes
from harness.errors import PlatformError
from harness.platform.environment import Environment
from harness.settings import Settings
from tests.test_doctor import GOOD, UP

FIT = dataclasses.replace(GOOD, inotify_instances=8192, inotify_watches=524_288, data_file_system="extfs")


def _on(driver: str, file_system: str) -> Facts:
    engine = dataclasses.replace(UP, inside=Inside(driver=driver))
    return dataclasses.replace(FIT, engine=engine, data_file_system=file_system)


def _check(name: str, facts: Facts, nodes: int = 1) -> Check:
    (found,) = (check for check in decide_nodes(facts, nodes) if check.name == name)
    return found


def test_a_machine_whose_limits_are_not_known_or_high_enough_is_fit() -> None:
    assert {check.status for check in decide_nodes(FIT)} == {checks.OK}
    assert {check.status for check in decide_nodes(GOOD)} == {checks.OK}


@pytest.mark.parametrize("nodes", [1, 3, 5])
def test_the_limits_of_a_plain_system_are_enough_for_some_nodes(nodes: int) -> None:
    plain = dataclasses.replace(FIT, inotify_instances=128, inotify_watches=8192)
    assert _check("inotify limits", plain, nodes).status == checks.OK


@pytest.mark.parametrize(
    ("limits", "nodes"),
    [
        ({"inotify_instances": 32}, 1),
        ({"inotify_watches": 1024}, 1),
        ({"inotify_instances": 128}, 8),
    ],
)
def test_inotify_limits_that_are_too_low_for_the_nodes_are_named_with_the_command(
    limits: dict[str, Any], nodes: int
) -> None:
    low = dataclasses.replace(FIT, **limits)
    found = _check("inotify limits", low, nodes)
    assert found.status == checks.MISSING
    assert f"{low.inotify_instances} instances and {low.inotify_watches} watches" in found.detail
    assert found.command.startswith("sudo sysctl -w fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=")
    as_root = _check("inotify limits", dataclasses.replace(low, root=True), nodes)
    assert as_root.command.startswith("sysctl -w ")


def test_the_advised_limits_are_enough_for_several_nodes() -> None:
    advised = dataclasses.replace(FIT, inotify_instances=512, inotify_watches=524_288)
    assert _check("inotify limits", advised, nodes=5).status == checks.OK


@pytest.mark.parametrize(
    ("driver", "file_system", "status"),
    [
        ("zfs", "zfs", checks.MISSING),
        ("overlay2", "zfs", checks.WARNING),
        ("btrfs", "btrfs", checks.WARNING),
        ("overlay2", "btrfs", checks.WARNING),
        ("overlay2", "xfs", checks.OK),
        ("overlayfs", "", checks.OK),
    ],
)
def test_an_engine_whose_data_is_where_nodes_may_not_start_is_named(driver: str, file_system: str, status: str) -> None:
    found = _check("data root", _on(driver, file_system))
    assert found.status == status
    assert ("data-root" in found.command) is (status != checks.OK)


def test_the_doctor_warns_of_what_kind_alone_needs() -> None:
    assert [check.status for check in examine_nodes(_on("zfs", "zfs"))] == [checks.OK, checks.OK, checks.WARNING]


def _docker(folder: Path, script: str) -> dict[str, str]:
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": str(folder)}


def test_a_docker_command_that_reaches_the_engine_is_fit(tmp_path: Path) -> None:
    assert docker_command.find_problem(_docker(tmp_path, "echo 28.5.2")) == ""


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (None, "the program is not on PATH"),
        ("echo client version 1.41 is too old >&2; exit 1", "docker says: client version 1.41 is too old"),
        ("exit 7", "docker says: exit status 7"),
    ],
)
def test_a_docker_command_that_does_not_reach_the_engine_is_missing_with_its_message(
    tmp_path: Path, script: str | None, problem: str
) -> None:
    found = docker_command.find_problem({"PATH": str(tmp_path)} if script is None else _docker(tmp_path, script))
    assert found.endswith(problem)
    check = _check("docker command", dataclasses.replace(FIT, docker_problem=found))
    assert (check.status, check.detail) == (checks.MISSING, f"kind calls docker, but {found}")
    assert "docker-cli" in check.command


@pytest.mark.usefixtures("unfit")
def test_a_platform_on_kind_is_refused_before_its_first_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "ensure_all", lambda *_, **__: pytest.fail("an image is made"))
    with pytest.raises(PlatformError, match="no kind cluster can be made: inotify limits: 16 instances"):
        Environment.up(Settings(cluster="kind"))


@pytest.fixture
def unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with too few instances of inotify, on which nothing may be made."""

    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("something is made on a machine that cannot have nodes")

    low = dataclasses.replace(FIT, inotify_instances=16)
    monkeypatch.setattr(doctor.command.probe, "collect_facts", lambda **_: low)
    for module in (command, node_image):
        monkeypatch.setattr(module, "ensure", fail)
    monkeypatch.setattr(cluster, "connect", fail)


@pytest.mark.usefixtures("unfit")
def test_no_cluster_and_no_image_is_made_where_nodes_cannot_run() -> None:
    with pytest.raises(PlatformError, match="no kind cluster can be made: inotify limits: 16 instances") as caught:
        KindCluster.create(Settings(), "never")
    assert caught.value.exit_status == 3
    assert "sysctl -w" in caught.value.fix
    done = CliRunner().invoke(cli, ["images", "kind-node"])
    assert done.exit_code == 3
    assert "no kind cluster can be made: inotify limits: 16 instances" in done.stderr


def test_a_warning_is_reported_and_the_cluster_is_made() -> None:
    said: list[str] = []
    doctor.require_nodes(1, said.append, look=lambda: _on("btrfs", "btrfs"))
    assert [line.partition(":")[0] for line in said] == ["data root"]


def test_the_file_system_of_a_folder_is_that_of_the_last_mount_above_it(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/a / ext4 rw 0 0\npool/x /var/lib zfs rw 0 0\n/dev/b /var/lib xfs rw 0 0\n/dev/c /var/li vfat rw\n"
    )
    assert probe._file_system("/var/lib/docker", mounts) == "xfs"
    assert probe._file_system("/var/log", mounts) == "ext4"
    assert probe._file_system("/var/log", tmp_path / "none") == ""


def test_the_file_system_of_a_folder_is_known_below_a_place_with_any_name(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/a / ext4 rw 0 0\n/dev/b /Jörgs\\040disk btrfs rw 0 0\n")
    assert probe._file_system("/Jörgs disk/docker", mounts) == "btrfs"
