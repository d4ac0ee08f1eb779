"""Run the three probes of a container over time: whether it has started, is ready and lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from harness.incluster.controlplane import probes
from harness.incluster.controlplane.engine import Engine
from harness.incluster.controlplane.pod_container import PodContainer
from harness.incluster.controlplane.probes import Probe

_FAILURES = 3


class ProbeRunner:
    """Probes one container while it runs.

    Args:
        engine: to look into the container and to stop it.
        container: the container; its ``started`` and ``ready`` are set here.
        address: of the pod.
        publish: called when one of them has changed.
        event: records an Event: reason, message, type.
        grace_s: seconds between SIGTERM and SIGKILL for a container that does not live.
    """

    def __init__(
        self,
        engine: Engine,
        container: PodContainer,
        address: str,
        publish: Callable[[], None],
        event: Callable[[str, str, str], None],
        grace_s: int,
    ) -> None:
        self._engine = engine
        self._container = container
        self._address = address
        self._publish = publish
        self._event = event
        self._grace_s = grace_s

    async def run(self) -> None:
        """Probe until cancelled, or until the container is stopped because a probe failed."""
        spec = self._container.spec
        startup, readiness, liveness = (spec.get(f"{kind}Probe") for kind in ("startup", "readiness", "liveness"))
        if startup and not await self._becomes(startup, gives_up=True):
            await self._kill("startup probe failed")
            return
        self._container.started = True
        self._container.ready = not readiness
        self._publish()
        # the life of the container is judged as long as both do not end
        watches = [self._life(liveness)] if liveness else []
        watches += [self._readiness(readiness)] if readiness else []
        await asyncio.gather(*watches)

    async def _becomes(self, probe: Probe, *, gives_up: bool) -> bool:
        """Ask until a probe succeeds; ``False`` when the time of its failure threshold is over."""
        allowed = probes.period(probe) * int(probe.get("failureThreshold") or _FAILURES)
        deadline = time.monotonic() + float(probe.get("initialDelaySeconds") or 0) + allowed
        attempt = 0
        while error := await self._ask(probe):
            if gives_up and time.monotonic() > deadline:
                self._event("Unhealthy", error, "Warning")
                return False
            await asyncio.sleep(probes.startup_delay(probe, attempt))
            attempt += 1
        return True

    async def _fails(self, probe: Probe) -> str:
        """Ask until a probe has failed as often in a row as its threshold says; the last reason."""
        failures, error = 0, ""
        while failures < int(probe.get("failureThreshold") or _FAILURES):
            await asyncio.sleep(probes.period(probe))
            error = await self._ask(probe) or ""
            failures = failures + 1 if error else 0
        return error

    async def _readiness(self, probe: Probe) -> None:
        while True:
            await self._becomes(probe, gives_up=False)
            self._container.ready = True
            self._publish()
            error = await self._fails(probe)
            self._container.ready = False
            self._event("Unhealthy", f"Readiness probe failed: {error}", "Warning")
            self._publish()

    async def _life(self, probe: Probe) -> None:
        await asyncio.sleep(float(probe.get("initialDelaySeconds") or 0))
        await self._kill(f"liveness probe failed: {await self._fails(probe)}")

    async def _kill(self, why: str) -> None:
        self._event("Killing", f"Container {self._container.name} {why}, will be restarted", "Warning")
        await self._engine.stop(self._container.id, self._grace_s)

    async def _ask(self, probe: Probe) -> str | None:
        return await probes.probe_once(
            self._engine, probe, container=self._container.id, spec=self._container.spec, address=self._address
        )
