"""A device only where the engine has one and the settings ask for it; everywhere else the CPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import UsageError
from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.container_bodies import container_body
from harness.incluster.controlplane.node import Node
from harness.incluster.controlplane.volumes import Mounts
from harness.platform import environment
from harness.settings import Settings

CONFIG = ControlPlaneConfig("e1", "1@host", "2026-01-01T00:00:00Z", "token", "pod-token")


def body(limits: dict[str, str]) -> dict[str, Any]:
    container = {"name": "main", "image": "x", "resources": {"limits": limits}}
    pod = {"metadata": {"namespace": "project-a", "name": "p"}, "spec": {"containers": [container]}}
    networks: Any = None  # not asked: the container shares another one's network
    return container_body(
        CONFIG, pod, container, image="sha256:1", variables={}, mounts=Mounts(), network="other", networks=networks
    )


def test_a_limit_of_one_device_asks_the_engine_for_one() -> None:
    host = body({"nvidia.com/gpu": "1"})["HostConfig"]
    assert host["DeviceRequests"] == [{"Driver": "nvidia", "Count": 1, "Capabilities": [["gpu"]]}]


@pytest.mark.parametrize("limits", [{"nvidia.com/gpu": "0"}, {"memory": "50Mi"}])
def test_without_a_device_in_its_limits_a_container_asks_for_none(limits: dict[str, str]) -> None:
    assert "DeviceRequests" not in body(limits)["HostConfig"]


@pytest.mark.parametrize(("gpu", "offered"), [(True, "1"), (False, None)])
def test_the_node_offers_a_device_where_the_engine_has_the_runtime_for_it(gpu: bool, offered: str | None) -> None:
    node = Node.manifest(SimpleNamespace(cpus=2, memory=1 << 30, gpu=gpu))  # type: ignore[arg-type]
    assert node["status"]["allocatable"].get("nvidia.com/gpu") == offered


def cluster_with(allocatable: dict[str, str]) -> Any:
    nodes = [{"status": {"allocatable": {"cpu": "2"}}}, {"status": {"allocatable": allocatable}}]
    return SimpleNamespace(name="docker", api=SimpleNamespace(list=lambda kind: nodes if kind == "Node" else []))


def test_gpu_support_is_refused_where_no_node_offers_a_device() -> None:
    with pytest.raises(UsageError, match=r"no node of the cluster docker offers nvidia\.com/gpu") as caught:
        environment._require_devices(cluster_with({"nvidia.com/gpu": "0"}))
    assert "run on the CPU" in caught.value.fix
    environment._require_devices(cluster_with({"nvidia.com/gpu": "2"}))


def test_gpu_support_is_off_unless_it_is_asked_for() -> None:
    assert Settings.load(environ={}).gpu is False
    assert Settings.load(environ={"KAAPANA_HARNESS_GPU": "1"}).gpu is True
