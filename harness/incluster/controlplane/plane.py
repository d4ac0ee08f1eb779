"""All parts of one control plane, put together."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

from harness.incluster.controlplane import dns
from harness.incluster.controlplane.accounts import Accounts
from harness.incluster.controlplane.claims import Claims
from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.controllers import Controllers
from harness.incluster.controlplane.disk_pressure import DiskPressure, free_bytes
from harness.incluster.controlplane.engine import Engine
from harness.incluster.controlplane.images import Images
from harness.incluster.controlplane.kubelet import Kubelet
from harness.incluster.controlplane.memory import MemoryMeter
from harness.incluster.controlplane.networks import PLATFORM, PODS, Networks
from harness.incluster.controlplane.node import Node
from harness.incluster.controlplane.reaper import Reaper
from harness.incluster.controlplane.removal import Removal
from harness.incluster.controlplane.store import Store
from harness.incluster.controlplane.volumes import Volumes
from harness.kube import Manifest

# containers that are created and started at the same time: more only wait for one another in the engine
_AT_ONCE = 8
_NAMESPACES = ("default", "kube-system")


@dataclasses.dataclass
class ControlPlane:
    """One cluster on one Docker engine.

    Attributes:
        addresses: where the API listens: for the owner and the platform, not for processing pods (services 3.4).
    """

    config: ControlPlaneConfig
    store: Store
    accounts: Accounts
    images: Images
    networks: Networks
    kubelet: Kubelet
    removal: Removal
    reaper: Reaper
    addresses: list[str]

    @classmethod
    async def start(cls, config: ControlPlaneConfig) -> ControlPlane:
        """Examine the engine, make the networks, and start the controllers.

        Raises:
            EngineCallError: the engine does not answer, or refuses a network.
        """
        engine, store = Engine(config.socket, config.api), Store()
        config, own_image = await _own_place(config, engine)
        images = Images(engine)
        networks = Networks(config, engine, store)
        # from here on there are objects to remove if no owner connects
        reaper = Reaper(config, engine, networks, images)
        asked = asyncio.create_task(engine.call("GET", "/info"))
        await networks.create()
        info: dict[str, Any] = await asked
        accounts = Accounts(store, config.account_secret)
        claims = Claims(store, Path(config.state))
        volumes = Volumes(
            store,
            claims,
            state=Path(config.state),
            state_on_engine=config.state_on_engine,
            memory=int(info["MemTotal"]),
            accounts=accounts,
        )
        node = Node(
            config=config,
            engine=engine,
            store=store,
            images=images,
            networks=networks,
            volumes=volumes,
            meter=MemoryMeter(Path(config.cgroups)),
            sandbox_image=config.sandbox_image or own_image,
            cpus=int(info["NCPU"]),
            memory=int(info["MemTotal"]),
            gpu="nvidia" in (info.get("Runtimes") or {}),
            slots=asyncio.Semaphore(_AT_ONCE),
        )
        kubelet = Kubelet(node)
        reaper.halt = kubelet.halt
        removal = Removal(node, kubelet, claims)
        controllers = Controllers(node, kubelet, networks, claims, removal)
        node.spawn(controllers.run(), "controllers")
        node.spawn(DiskPressure(node, kubelet, lambda: free_bytes(config.state)).run(), "disk")
        store.create(node.manifest())
        for name in _NAMESPACES:
            store.create(namespace(name))
        for network in (PODS, PLATFORM):
            if address := networks.own.get(network):
                await dns.serve(address, node.name_lookups.record)
        addresses = ["127.0.0.1", *(address for network, address in networks.own.items() if network != PODS)]
        return cls(config, store, accounts, images, networks, kubelet, removal, reaper, addresses)


def namespace(name: str) -> Manifest:
    """Return a Namespace object."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "status": {"phase": "Active"}}


async def _own_place(config: ControlPlaneConfig, engine: Engine) -> tuple[ControlPlaneConfig, str]:
    """Return the path of the own state on the engine's host, and the own image, from the own container's record."""
    if not config.own_container:
        return dataclasses.replace(config, state_on_engine=config.state_on_engine or config.state), ""
    record: dict[str, Any] = await engine.inspect(config.own_container)
    folder = next(mount["Source"] for mount in record["Mounts"] if mount["Destination"] == config.state)
    return dataclasses.replace(config, state_on_engine=folder), str(record["Image"])
