"""The parts of the control plane that the life cycle of a pod needs, in one place."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.engine import Engine
from harness.incluster.controlplane.images import Images
from harness.incluster.controlplane.memory import MemoryMeter
from harness.incluster.controlplane.name_lookups import NameLookups
from harness.incluster.controlplane.networks import Networks
from harness.incluster.controlplane.store import Change, Store, key_of, now
from harness.incluster.controlplane.volumes import Volumes
from harness.kube import Manifest
from harness.wire.names import DOCKER_NODE

LOG = logging.getLogger("kaapana-harness")

# kinds that a pod may wait for: a change of one of these makes it check again
_CONFIGURATION = {"ConfigMap", "Secret", "PersistentVolumeClaim", "PersistentVolume", "StorageClass"}
_EVENTS_KEPT = 500


@dataclasses.dataclass
class Node:
    """One Docker engine as a node of the cluster.

    Attributes:
        sandbox_image: engine image with a ``sleep`` program, for pods of several containers.
        cpus: number of processors.
        memory: bytes of memory.
        gpu: whether the engine can hand out NVIDIA devices.
        slots: limits how many containers are created and started at the same time.
        name_lookups: of pods for names that no Service has.
    """

    config: ControlPlaneConfig
    engine: Engine
    store: Store
    images: Images
    networks: Networks
    volumes: Volumes
    meter: MemoryMeter
    sandbox_image: str
    cpus: int
    memory: int
    gpu: bool
    slots: asyncio.Semaphore

    def __post_init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._event_number = 0
        self.name_lookups = NameLookups(self.networks.containers_by_address)
        self.store.listen(self._on_change)

    def manifest(self) -> Manifest:
        """Return the Node object."""
        resources = {"cpu": str(self.cpus), "memory": f"{self.memory // 1024}Ki", "pods": "110"}
        if self.gpu:
            # the engine does not say how many it has
            resources["nvidia.com/gpu"] = "1"
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": DOCKER_NODE,
                "labels": {
                    "kubernetes.io/hostname": DOCKER_NODE,
                    "kubernetes.io/os": "linux",
                    # the platform puts its storage on the node that carries this label (services 16)
                    "kaapana.io/node": "storage",
                },
            },
            "spec": {},
            "status": {
                "capacity": resources,
                "allocatable": resources,
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            },
        }

    async def next_configuration(self) -> None:
        """Wait until an object that pods refer to has changed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def _on_change(self, change: Change) -> None:
        if change.after["kind"] in _CONFIGURATION:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def spawn(self, work: Coroutine[Any, Any, Any], what: str) -> asyncio.Task[Any]:
        """Run something in the background; a failure is logged."""

        async def run() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except Exception:
                LOG.exception("%s failed", what)

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def event(
        self,
        about: Manifest,
        reason: str,
        message: str,
        kind: str = "Normal",
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """Record an Event about an object, as ``kubectl get events`` shows them."""
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        time = now()
        self._event_number += 1
        self.store.create(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {
                    "name": f"{metadata['name']}.{self._event_number:08x}",
                    "namespace": namespace,
                    **({"annotations": dict(annotations)} if annotations else {}),
                },
                "involvedObject": {
                    "apiVersion": about["apiVersion"],
                    "kind": about["kind"],
                    "name": metadata["name"],
                    "namespace": namespace,
                    "uid": metadata["uid"],
                },
                "type": kind,
                "reason": reason,
                "message": message,
                "firstTimestamp": time,
                "lastTimestamp": time,
                "count": 1,
                "source": {"component": "kaapana-harness"},
            }
        )
        if self._event_number % 100 == 0:
            self._forget_events()

    def _forget_events(self) -> None:
        events = sorted(self.store.list("Event"), key=lambda event: int(event["metadata"]["resourceVersion"]))
        for event in events[:-_EVENTS_KEPT]:
            self.store.remove(key_of(event))
