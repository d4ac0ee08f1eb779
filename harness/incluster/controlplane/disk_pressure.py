"""Keep a reserve of free disk: evict the pod that writes most before the disk is full.

As a kubelet does under disk pressure, but by an absolute reserve: the disk is that of a working machine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

from harness.incluster.controlplane.engine import EngineCallError
from harness.incluster.controlplane.kubelet import Kubelet
from harness.incluster.controlplane.node import Node
from harness.incluster.controlplane.pod import PodWorker
from harness.kube.node_messages import EPHEMERAL_STORAGE

_INTERVAL_S: Final = 1.0


def free_bytes(folder: str) -> int:
    """Return the free bytes on the disk of a folder."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


class DiskPressure:
    """Looks after the disk on which the engine keeps containers and volumes.

    Args:
        free: returns the free bytes.
    """

    def __init__(self, node: Node, kubelet: Kubelet, free: Callable[[], int]) -> None:
        self._node = node
        self._kubelet = kubelet
        self._free = free
        self._reserve = node.config.disk_reserve

    async def run(self) -> None:
        """Check the disk at intervals, and evict one pod at a time when it is nearly full."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            free = await asyncio.to_thread(self._free)
            if free < self._reserve:
                await self.relieve(free)

    async def relieve(self, free: int) -> None:
        """Evict the pod of a task that has written most; of equals the one that started last.

        Pods that are to run on (services of the platform) and those of Jobs are not to blame.
        """
        candidates = [
            worker for worker in self._kubelet.workers.values() if worker.is_task and worker.running_containers
        ]
        if not candidates:
            return
        sizes = [(await self._size(worker), number, worker) for number, worker in enumerate(candidates)]
        size, _, worker = max(sizes, key=lambda entry: entry[:2])
        await worker.evict(
            EPHEMERAL_STORAGE,
            f"Threshold quantity: {self._reserve}, available: {free}. "
            f"The container was using {size} outside of volumes",
        )

    async def _size(self, worker: PodWorker) -> int:
        total = 0
        for container in worker.running_containers:
            try:
                total += int((await self._node.engine.inspect(container, size=True)).get("SizeRw") or 0)
            except EngineCallError:
                continue
        return total
