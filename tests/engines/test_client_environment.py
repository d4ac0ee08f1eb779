"""Programs that ask the engine ask the harness's, as the harness does, whatever the user has set for other work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cluster.kind import command, keeper
from harness.cluster.kind.nodes import KindNode
from harness.doctor.builder import Builder, find_builder
from harness.doctor.client_environment import make_client_environment
from harness.images import buildkit
from harness.images.building import BuildRequest
from harness.images.context import Context, ContextEntry
from harness.images.dockerfile import Dockerfile
from tests.engines import contexts

ADDRESS = "unix:///x/docker.sock"
CHOICES = {
    "DOCKER_API_VERSION": "1.41",
    "DOCKER_CERT_PATH": "/certificates",
    "DOCKER_DEFAULT_PLATFORM": "linux/arm64",
    "DOCKER_TLS": "1",
    "DOCKER_TLS_VERIFY": "1",
    "BUILDX_BUILDER": "another",
    "BUILDKIT_HOST": "tcp://another",
}


def build(program: Path, tmp_path: Path) -> None:
    context = Context([ContextEntry("Dockerfile", content=b"FROM x\n")])
    request = BuildRequest(context, "Dockerfile", Dockerfile("FROM x\n"), "x:1", {}, {}, {}, {}, None, 60)
    list(buildkit.build(request, Builder(str(program), (0, 29)), ADDRESS, tmp_path / "buildx"))


def look_for_the_builder(program: Path, tmp_path: Path) -> None:
    (tmp_path / "config" / "cli-plugins").mkdir(parents=True)
    (tmp_path / "config" / "cli-plugins" / "docker-buildx").symlink_to(program)
    find_builder({"DOCKER_CONFIG": str(tmp_path / "config")})


def run_on_a_node(program: Path, tmp_path: Path) -> None:
    KindNode("node").run("true")


def make_a_cluster(program: Path, tmp_path: Path) -> None:
    order = keeper.ClusterOrder("e1", [str(program)], {"KUBECONFIG": "/own"}, {}, "")
    keeper._Keeper(order, tmp_path)._make()


def read_the_version_of_kind(program: Path, tmp_path: Path) -> None:
    command.read_version(program)


CALLS = (build, look_for_the_builder, run_on_a_node, make_a_cluster, read_the_version_of_kind)


@pytest.mark.parametrize("call", CALLS)
def test_no_program_gets_what_the_user_has_chosen_for_other_work(
    call: Callable[[Path, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/environment\n")
    program.chmod(0o755)
    for name, value in {**CHOICES, "DOCKER_HOST": ADDRESS, "OTHER": "stays"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setattr(keeper._Keeper, "_create_network", lambda self: None)
    call(program, tmp_path)
    lines = (tmp_path / "environment").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines if "=" in line)
    assert not CHOICES.keys() & environment.keys()
    assert environment["DOCKER_HOST"] == ADDRESS
    assert environment["OTHER"] == "stays"


def test_the_engine_of_a_context_is_named_by_its_address(tmp_path: Path) -> None:
    contexts.add(tmp_path, "mine", ADDRESS)
    made = make_client_environment({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "mine"})
    assert made == {"DOCKER_CONFIG": str(tmp_path), "DOCKER_HOST": ADDRESS}


def test_settings_that_testcontainers_refuses_are_the_users() -> None:
    code = (
        "from harness.cluster import ledger\n"
        "from harness.cluster.docker import control_plane\n"
        "from harness.errors import UsageError\n"
        "try:\n"
        "    control_plane.start('image', ledger.new_entry('x', cluster='docker'), 'token', disk_reserve=0)\n"
        "except UsageError as error:\n"
        "    print(error)\n"
    )
    variables = {**os.environ, "TESTCONTAINERS_CONNECTION_MODE": "by-tunnel"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert "testcontainers, which starts the control plane, refuses its settings: " in done.stdout, done.stderr
    assert "by-tunnel" in done.stdout
