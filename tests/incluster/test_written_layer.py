"""Where on the engine's host a container writes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from harness.incluster.controlplane import host_processes
from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.engine import EngineCallError
from tests.incluster.host_processes import make_process

CONTAINER = "4f" * 32
PID = 12
SNAPSHOT = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/31/fs"
ROOT = (
    f"711 680 0:99 / / rw,relatime - overlay overlay rw,lowerdir=/l/2:/l/1,upperdir={SNAPSHOT},workdir=/w,nouserxattr"
)
OTHER = "712 711 0:101 / /proc rw - proc proc rw\n713 711 0:99 / /data rw - overlay overlay rw,upperdir=/elsewhere"


class Engine:
    """An engine with one container; ``layer`` is what it says of the place."""

    def __init__(self, layer: str | None = None) -> None:
        self.layer = layer

    async def inspect(self, container: str) -> dict[str, Any]:
        if container != CONTAINER:
            raise EngineCallError(404, "no such container")
        driver = {"GraphDriver": {"Data": {"UpperDir": self.layer}}} if self.layer else {}
        return {"Id": CONTAINER, "State": {"Pid": PID}, **driver}


def find(engine: Engine, processes: Path, container: str = CONTAINER) -> str:
    """Return the layer that is found."""
    config = ControlPlaneConfig("t", "1@x", "now", "token", "secret", processes=str(processes))
    return asyncio.run(host_processes.find_layer(engine, config, container))  # type: ignore[arg-type]


def make_mounted(folder: Path, mountinfo: str) -> Path:
    """Make the container's first process, with these mounts."""
    return make_process(folder, PID, f"{mountinfo}\n".encode(), f"0::/../{CONTAINER}\n")


def test_the_layer_is_the_one_that_the_engine_names(tmp_path: Path) -> None:
    assert (
        find(Engine("/var/lib/docker/overlay2/7/diff"), make_mounted(tmp_path, ROOT))
        == "/var/lib/docker/overlay2/7/diff"
    )


@pytest.mark.parametrize("table", [f"{ROOT}\n{OTHER}", f"{OTHER}\n{ROOT}"])
def test_the_layer_of_an_engine_that_names_none_is_the_one_that_the_kernel_names(table: str, tmp_path: Path) -> None:
    assert find(Engine(), make_mounted(tmp_path, table)) == SNAPSHOT


@pytest.mark.parametrize(
    "table",
    [
        OTHER,
        "711 680 0:99 / / rw - btrfs /dev/vda rw,upperdir=/x",
        "711 680 0:99 / / rw - overlay overlay ro,lowerdir=/l/1",
        "711 680 0:99 / / rw -",
        "",
    ],
)
def test_a_root_that_is_no_overlay_with_a_layer_of_its_own_has_none(table: str, tmp_path: Path) -> None:
    assert find(Engine(), make_mounted(tmp_path, table)) == ""


def test_a_container_that_is_gone_or_has_ended_has_no_known_layer(tmp_path: Path) -> None:
    assert find(Engine(), tmp_path) == ""
    assert find(Engine(), make_mounted(tmp_path, ROOT), "5e" * 32) == ""
