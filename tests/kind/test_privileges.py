"""Privileged containers on a machine that withholds a capability, and the docker program for kind."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest

from harness.cluster.kind import command, preparation, privileges
from harness.doctor.remedies import RUNTIME
from harness.engine import connect
from harness.errors import EngineError
from harness.settings import Settings
from tests.engines.recorder import Recorder

WITHHELD, WHOLE = SimpleNamespace(resource_capability=False), SimpleNamespace(resource_capability=True)
Machine = Callable[[SimpleNamespace, Any], None]


class Engine:
    """An engine that knows some runtimes, and keeps logs by a driver."""

    def __init__(self, *runtimes: str, path: Path = Path("runc"), log_driver: str = "json-file") -> None:
        self._runtimes = {name: {"path": str(path)} for name in ("runc", *runtimes)}
        self._log_driver = log_driver

    def info(self) -> dict[str, Any]:
        return {"Runtimes": self._runtimes, "LoggingDriver": self._log_driver}

    def close(self) -> None:
        pass


@pytest.fixture
def fake_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program docker on PATH that prints its arguments, one a line."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    program = folder / "docker"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder) + os.pathsep + os.environ["PATH"])
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    return program


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    def be(facts: SimpleNamespace, engine: Engine) -> None:
        monkeypatch.setattr(privileges, "collect_facts", lambda: facts)
        monkeypatch.setattr(privileges.engine, "connect_api", lambda: engine)

    return be


@pytest.mark.parametrize(
    ("facts", "engine", "expected"),
    [(WHOLE, Engine(RUNTIME), ""), (WITHHELD, Engine(RUNTIME), RUNTIME), (WITHHELD, Engine(), "")],
)
def test_the_runtime_is_asked_for_only_where_it_is_needed_and_known(
    machine: Machine, facts: SimpleNamespace, engine: Engine, expected: str
) -> None:
    machine(facts, engine)
    assert privileges.find_runtime(engine) == expected  # type: ignore[arg-type]


def test_the_runtimes_program_is_put_back_where_the_state_folder_was_deleted(
    machine: Machine, fake_docker: Path, tmp_path: Path
) -> None:
    program = tmp_path / "state" / "oci-runtime"
    engine = Engine(RUNTIME, path=program)
    machine(WITHHELD, engine)
    assert privileges.find_runtime(engine) == RUNTIME  # type: ignore[arg-type]
    assert os.access(program, os.X_OK)
    # another owner's file is left alone
    elsewhere = Engine(RUNTIME, path=tmp_path / "elsewhere" / "oci-runtime")
    assert privileges.find_runtime(elsewhere) == RUNTIME  # type: ignore[arg-type]
    assert not (tmp_path / "elsewhere").exists()


def test_the_docker_on_path_is_used_where_nothing_is_withheld(fake_docker: Path, machine: Machine) -> None:
    machine(WHOLE, Engine(RUNTIME))
    assert privileges.docker_command(Settings().state) == fake_docker


@pytest.mark.parametrize(
    ("facts", "engine", "added"),
    [
        (WITHHELD, Engine(RUNTIME), ["--runtime", RUNTIME]),
        # kind waits for a line in the log of each node
        (WHOLE, Engine(log_driver="none"), ["--log-driver", "json-file"]),
        (WITHHELD, Engine(RUNTIME, log_driver="syslog"), ["--runtime", RUNTIME, "--log-driver", "json-file"]),
    ],
    ids=["the runtime", "a log that can be read", "both"],
)
def test_kind_gets_a_docker_that_adds_what_nodes_need_to_run_and_changes_nothing_else(
    facts: SimpleNamespace, engine: Engine, added: list[str], fake_docker: Path, machine: Machine
) -> None:
    machine(facts, engine)
    environ = {**os.environ, **command.make_environment(Settings().state)}

    def called(*arguments: str) -> list[str]:
        done = subprocess.run(["docker", *arguments], env=environ, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    assert called("run", "--privileged", "--name", "two words") == [
        "run", *added, "--privileged", "--name", "two words",
    ]  # fmt: skip
    assert called("exec", "--privileged", "node", "run") == ["exec", "--privileged", "node", "run"]
    assert called() == [""]
    assert environ["KIND_EXPERIMENTAL_PROVIDER"] == "docker"


def test_a_missing_docker_program_is_named_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    machine(WHOLE, Engine())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="docker is not on PATH") as caught:
        privileges.docker_command(Settings().state)
    assert "apt install" in caught.value.fix


def _copy(client: docker.DockerClient) -> None:
    preparation._copy(client, "true", "a", ["b"], {}, "image")


def _start_containerd(client: docker.DockerClient) -> None:
    with preparation._containerd(client, "image", "a", {}):
        pytest.fail("it runs")


@pytest.mark.parametrize("make", [_copy, _start_containerd], ids=["copies for the nodes", "their content"])
def test_a_privileged_container_that_the_engine_refuses_is_named_with_its_words_and_the_advice(
    make: Callable[[docker.DockerClient], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {"POST /containers/.*/start": (500, "operation not permitted")}
    recorder = Recorder(refusals=refused, inside={"DockerRootDir": "/var/lib/docker"})
    monkeypatch.setattr(privileges, "make_host_options", lambda api: {})
    with recorder.listening(tmp_path / "s") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        with contextlib.closing(connect()) as client, pytest.raises(EngineError) as caught:
            make(client)
    assert caught.value.cause == "the engine does not start a privileged container, which a kind node is"
    assert caught.value.last_seen == "operation not permitted"
    assert "doctor --fix" in caught.value.fix
    assert any(asked.startswith("DELETE /containers/") for asked in recorder.asked)


def test_the_advice_for_an_engine_without_the_runtime_is_to_start_it_again() -> None:
    assert "doctor --fix" in privileges.advise(Engine())  # type: ignore[arg-type]
    assert "doctor --fix" not in privileges.advise(Engine(RUNTIME))  # type: ignore[arg-type]
