"""Logs that are read are kept where they can be read, whatever the engine's own default (`"log-driver": "none"`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cluster import ledger
from harness.cluster.docker import control_plane
from harness.cluster.kind import preparation, privileges
from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.engine import Engine, EngineCallError
from harness.incluster.controlplane.helper_containers import run_helper
from harness.platform import registry_seed
from harness.wire.container_logs import READABLE_LOG
from tests.engines.recorder import Recorder


def test_readable_logs_are_kept_in_files_with_a_bound() -> None:
    assert READABLE_LOG["Type"] == "json-file"
    assert set(READABLE_LOG["Config"]) == {"max-size", "max-file"}


def test_the_log_of_the_control_plane_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    with recorder.listening(tmp_path / "s") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        control_plane.start("image", ledger.new_entry("x", cluster="docker"), "token", disk_reserve=0)
    made = recorder.bodies["POST /containers/create"]
    assert made["HostConfig"]["LogConfig"] == READABLE_LOG


def test_the_log_of_a_helper_can_be_read(tmp_path: Path) -> None:
    recorder = Recorder(refusals={"POST /containers/.*/start": (500, "that is enough")})
    config = ControlPlaneConfig("t", "1@x", "now", "token", "secret")
    engine = Engine(str(tmp_path / "s"), "1.51")
    with recorder.listening(tmp_path / "s"), pytest.raises(EngineCallError, match="that is enough"):
        asyncio.run(run_helper(engine, config, "image", ["cat"], {"NetworkMode": "host"}, name="n"))
    made = recorder.bodies["POST /containers/create"]
    assert made["HostConfig"]["LogConfig"] == READABLE_LOG
    assert made["HostConfig"]["NetworkMode"] == "host"


class AskedError(Exception):
    """The options with which a container was asked for."""


class Api:
    """The engine's API as far as a container is asked for."""

    def create_host_config(self, **options: Any) -> dict[str, Any]:
        return options

    def create_container(self, image: str, *arguments: object, host_config: dict[str, Any], **more: object) -> None:
        raise AskedError(host_config)

    def create_network(self, *arguments: object, **options: object) -> None:
        pass

    def containers(self, **options: object) -> list[Any]:
        return []

    networks = images = containers

    def info(self) -> dict[str, Any]:
        return {"DockerRootDir": "/var/lib/docker"}

    def remove_container(self, *arguments: object, **options: object) -> None:
        pass


def _copy(api: Any) -> None:
    preparation._copy(SimpleNamespace(api=api), "true", "a", ["b"], {}, "image")  # type: ignore[arg-type]


def _seed(api: Any) -> None:
    registry_seed._make(SimpleNamespace(api=api), {"registry": "image"}, "tag", lambda line: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [_copy, _seed], ids=["copies for kind's nodes", "a registry with base layers"])
def test_the_log_of_a_container_for_a_moment_can_be_read(
    make: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privileges, "make_host_options", lambda api: {})
    with pytest.raises(AskedError) as caught:
        make(Api())
    assert caught.value.args[0]["log_config"] == READABLE_LOG
