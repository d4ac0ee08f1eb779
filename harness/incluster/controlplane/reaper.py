"""Remove everything of the environment when its owner is gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.engine import Engine, EngineCallError
from harness.incluster.controlplane.images import Images
from harness.incluster.controlplane.networks import Networks
from harness.incluster.controlplane.node import LOG
from harness.wire.labels import LABEL_ENVIRONMENT

# how many containers are removed at the same time
_AT_ONCE = 8
_ROUNDS = 20


class Reaper:
    """Watches over the owner's connection.

    Args:
        config: of this control plane.
        engine: the engine.
        networks: the environment's networks.
        images: knows the registry's address, under which images may have been tagged.

    Attributes:
        kept: the environment stays without an owner.
        closing: set as soon as the removal has begun.
        halt: stops everything that starts containers, before the removal.
        done: set when only the control plane itself is left.
    """

    def __init__(self, config: ControlPlaneConfig, engine: Engine, networks: Networks, images: Images) -> None:
        self._config = config
        self._engine = engine
        self._networks = networks
        self._images = images
        self._owners = 0
        self.halt: Callable[[], Awaitable[None]] | None = None
        self.kept = False
        self.closing = asyncio.Event()
        self.done = asyncio.Event()
        self._timer = asyncio.get_running_loop().call_later(config.first_owner_s, self._end_without_owner)
        self._reaping: asyncio.Task[None] | None = None

    def owner_connected(self) -> None:
        """Record the owner's connection."""
        self._owners += 1
        self._timer.cancel()

    def owner_disconnected(self) -> None:
        """Handle the end of the owner's connection."""
        self._owners -= 1
        if not self._owners:
            self._timer = asyncio.get_running_loop().call_later(self._config.owner_grace_s, self._end_without_owner)

    def _end_without_owner(self) -> None:
        if not self._owners and not self.kept:
            LOG.warning("the owner %s is gone: removing environment %s", self._config.owner, self._config.environment)
            self.reap()

    def reap(self) -> asyncio.Task[None]:
        """Begin with the removal."""
        if self._reaping is None:
            self.closing.set()
            self._reaping = asyncio.create_task(self._reap())
        return self._reaping

    async def _reap(self) -> None:
        try:
            if self.halt:
                await self.halt()
            await self._containers()
            await asyncio.gather(self._networks.remove(), self._tags())
        except Exception:
            LOG.exception("not everything of environment %s could be removed", self._config.environment)
        finally:
            self.done.set()

    async def _containers(self) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(container: str) -> None:
            async with slots:
                await self._engine.remove(container)

        filters = json.dumps({"label": [f"{LABEL_ENVIRONMENT}={self._config.environment}"]})
        own = f"/{self._config.own_container}"
        # a pod that was just being created shows up in the next round
        for _ in range(_ROUNDS):
            found = await self._engine.call("GET", "/containers/json", query={"all": "true", "filters": filters})
            others = [entry["Id"] for entry in found if own not in entry["Names"]]
            if not others:
                return
            await asyncio.gather(*(one(container) for container in others))

    async def _tags(self) -> None:
        """Remove the names under which images of this environment were pulled, pushed or imported."""
        prefixes = [f"{self._config.prefix}/"]
        if self._images.registry.address:
            prefixes.append(f"{self._images.registry.address}/")
        for image in await self._engine.call("GET", "/images/json"):
            for tag in (*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())):
                if tag.startswith(tuple(prefixes)):
                    try:
                        await self._engine.call("DELETE", f"/images/{tag}")
                    except EngineCallError as problem:
                        LOG.warning("image %s stays: %s", tag, problem)
