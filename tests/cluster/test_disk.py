"""Files that containers write to the node's disk: reports of lost ones, and eviction before the disk is full."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from harness.incluster.controlplane import lost_files
from harness.incluster.controlplane.disk_pressure import DiskPressure, free_bytes


class Worker:
    """A pod with one container."""

    def __init__(self, name: str, *, task: bool = True, running: bool = True) -> None:
        self.name = name
        self.is_task = task
        self.running_containers = [name] if running else []
        self.evicted: list[tuple[str, str]] = []

    async def evict(self, short_of: str, details: str) -> None:
        self.evicted.append((short_of, details))
        self.running_containers = []


class Engine:
    """Knows how much each container has written."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes

    async def inspect(self, container: str, *, size: bool) -> dict[str, Any]:
        assert size
        return {"SizeRw": self.sizes[container]}


def pressure(workers: list[Worker], **sizes: int) -> DiskPressure:
    node: Any = SimpleNamespace(engine=Engine(sizes), config=SimpleNamespace(disk_reserve=1000))
    kubelet: Any = SimpleNamespace(workers={worker.name: worker for worker in workers})
    return DiskPressure(node, kubelet, lambda: 0)


def test_the_task_that_writes_most_is_evicted_and_no_other() -> None:
    workers = [Worker("a"), Worker("b"), Worker("c")]
    asyncio.run(pressure(workers, a=5, b=900, c=30).relieve(17))
    assert [worker.name for worker in workers if worker.evicted] == ["b"]
    short_of, details = workers[1].evicted[0]
    assert short_of == "ephemeral-storage"
    assert "available: 17" in details


def test_of_tasks_that_write_into_volumes_only_the_one_that_started_last_is_evicted() -> None:
    workers = [Worker("a"), Worker("b")]
    asyncio.run(pressure(workers, a=0, b=0).relieve(0))
    assert [worker.name for worker in workers if worker.evicted] == ["b"]


def test_services_and_tasks_that_have_ended_are_left_alone() -> None:
    workers = [Worker("service", task=False), Worker("ended", running=False)]
    asyncio.run(pressure(workers, service=10**12, ended=10**12).relieve(0))
    assert not any(worker.evicted for worker in workers)


def test_the_free_space_of_a_disk_is_that_of_its_file_system(tmp_path: Any) -> None:
    assert 0 < free_bytes(str(tmp_path)) < 2**60


@pytest.mark.parametrize(
    "path",
    [
        "/tmp/a", "/var/tmp/x", "/root/.cache/pip/x", "/kaapana/app/__pycache__/a.pyc", "/etc/mtab", "/run/lock",
        "/home/me/.config/matplotlib",
    ],
)  # fmt: skip
def test_temporary_files_and_caches_are_nothing_to_miss(path: str) -> None:
    assert lost_files.select_notable([path]) == []


def test_where_volumes_were_mounted_and_what_caches_are_in_is_nothing_to_miss() -> None:
    made = ["/kaapana", "/kaapana/mounted", "/kaapana/mounted/data", "/models", "/opt/venv/contourpy", "/root"]
    caches = ["/opt/venv/contourpy/__pycache__", "/opt/venv/contourpy/__pycache__/a.pyc", "/root/.nv"]
    assert lost_files.select_notable([*made, *caches, "/models-of-mine"], ["/kaapana/mounted/data", "/models"]) == [
        "/models-of-mine"
    ]


def test_files_are_named_without_the_folders_above_them() -> None:
    assert lost_files.select_notable(["/output", "/output/mask.nrrd", "/data", "/kaapana/app/x.csv", "/tmp"]) == [
        "/data",
        "/kaapana/app/x.csv",
        "/output/mask.nrrd",
    ]
