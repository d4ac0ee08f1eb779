"""The life of one pod on the Docker engine, from its creation to its removal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import Mapping
from typing import Any

from harness.incluster.controlplane import lost_files
from harness.incluster.controlplane.container_bodies import container_body, devices, memory_limit
from harness.incluster.controlplane.deadline import DeadlineExceededError, run_within
from harness.incluster.controlplane.engine import EngineCallError
from harness.incluster.controlplane.errors import NotReadyError
from harness.incluster.controlplane.helper_containers import list_written_paths
from harness.incluster.controlplane.host_processes import find_layer
from harness.incluster.controlplane.mount_check import check_mounts
from harness.incluster.controlplane.networks import PLATFORM_NAMESPACES, NetworkPlan
from harness.incluster.controlplane.node import LOG, Node
from harness.incluster.controlplane.out_of_memory import count_kills, ran_out_of_memory
from harness.incluster.controlplane.pod_container import PodContainer, pod_annotations, pod_status
from harness.incluster.controlplane.podnetwork import PodNetwork
from harness.incluster.controlplane.preparation import BACK_OFF_MOST_S, BACK_OFF_S, Preparation
from harness.incluster.controlplane.probe_runner import ProbeRunner
from harness.incluster.controlplane.store import Key, key_of, now
from harness.incluster.controlplane.variables import needs_address
from harness.incluster.controlplane.volumes import VolumeSource
from harness.kube import Manifest
from harness.wire import reasons
from harness.wire.annotations import ANNOTATION_WRITTEN_FILES

# a container that ran for so long begins with the shortest back-off again
_HEALTHY_S = 60.0
# all other pods wait for those of the platform
_PLATFORM_BACK_OFF_MOST_S = 4.0


class PodWorker:
    """Runs one pod.

    Args:
        node: the parts of the control plane.
        pod: the pod as it was created.
    """

    def __init__(self, node: Node, pod: Manifest) -> None:
        self._node = node
        self._pod = pod
        self.key: Key = key_of(pod)
        first = "PodInitializing" if pod["spec"].get("initContainers") else "ContainerCreating"
        self.init = [PodContainer(spec, "PodInitializing") for spec in pod["spec"].get("initContainers") or ()]
        self.containers = [PodContainer(spec, first) for spec in pod["spec"]["containers"]]
        self._sources: dict[str, VolumeSource] = {}
        self._facts: dict[str, Any] = {"phase": "Pending", "initialized": not self.init, "start_time": now()}
        self._network = PodNetwork(node, pod, self._publish)
        self._preparation = Preparation(node, pod, publish=self._publish, warn=self._warn)
        self._most_memory = 0
        self._written = 0
        self._reports_lost_files = pod["spec"]["restartPolicy"] == "Never"
        self._evicted = self._short_of = ""
        self._most_back_off_s = (
            _PLATFORM_BACK_OFF_MOST_S if self.key.namespace in PLATFORM_NAMESPACES else BACK_OFF_MOST_S
        )
        self._pending: set[asyncio.Task[Any]] = set()
        self._deletion: asyncio.Task[Any] | None = None
        self._task = node.spawn(self._run(), f"pod {self.key.namespace}/{self.key.name}")

    @property
    def address(self) -> str:
        """IP address of the pod, empty until it is known."""
        return self._network.address

    # -- the whole pod ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        limit = self._pod["spec"].get("activeDeadlineSeconds")
        try:
            await run_within(self._run_to_end(), float(limit) if limit is not None else None)
        except DeadlineExceededError:
            await self._stop_all(0)
            self._finish("Failed", "DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
        except Exception as error:
            # after any error, the pod must not stay pending without a message
            LOG.exception("pod %s/%s", self.key.namespace, self.key.name)
            self._warn("Failed", str(error))
            self._finish("Failed", reasons.ERROR, str(error))

    async def _run_to_end(self) -> None:
        if unscheduled := self._unschedulable():
            self._facts["unscheduled"] = unscheduled
            self._publish()
            self._warn("FailedScheduling", unscheduled)
            # the node never changes, so this pod stays pending until it is deleted
            await asyncio.Event().wait()
        self._sources = await self._preparation.volumes((*self.init, *self.containers))
        if len(self.containers) > 1 or needs_address(self._pod) or self._network.needs_guard():
            await self._finish_despite_deletion(self._network.start_sandbox(self._name("network", 0)))
        for container in self.init:
            if not await self._run_with_restarts(container, init=True):
                self._finish("Failed")
                return
        self._facts["initialized"] = True
        results = await asyncio.gather(
            *(self._run_with_restarts(container, init=False) for container in self.containers)
        )
        self._finish("Succeeded" if all(results) else "Failed")

    def _unschedulable(self) -> str:
        """Return why the only node does not take the pod; empty when it does."""
        spec, node = self._pod["spec"], self._node.manifest()
        for label, value in (spec.get("nodeSelector") or {}).items():
            if node["metadata"]["labels"].get(label) != value:
                return f"0/1 nodes are available: 1 node(s) didn't match Pod's node selector ({label}={value})"
        if any(devices(container.spec) for container in self.containers) and not self._node.gpu:
            return "0/1 nodes are available: 1 Insufficient nvidia.com/gpu (the engine has no NVIDIA runtime)"
        return ""

    # -- one container ---------------------------------------------------------------------------------------

    async def _run_with_restarts(self, container: PodContainer, *, init: bool) -> bool:
        """Run a container as often as the restart policy says; whether it has succeeded in the end."""
        policy = self._pod["spec"]["restartPolicy"]
        delay = 0.0
        while True:
            started = time.monotonic()
            code = await self._run_once(container, init=init)
            if code == 0 and (init or policy != "Always"):
                return True
            if policy == "Never":
                return False
            if time.monotonic() - started > _HEALTHY_S:
                delay = 0.0
            container.last, container.restarts = container.state, container.restarts + 1
            if delay:
                message = f"back-off {delay:g}s restarting failed container={container.name} pod={self.key.name}"
                container.mark_waiting("CrashLoopBackOff", message)
                self._warn("BackOff", message)
            self._publish()
            await asyncio.sleep(delay)
            delay = min(max(BACK_OFF_S, 2 * delay), self._most_back_off_s)

    async def _run_once(self, container: PodContainer, *, init: bool) -> int:
        """Create, start and follow one container; its exit code."""
        delay = BACK_OFF_S
        while True:
            await self._preparation.image(container)
            variables = await self._preparation.variables(container, self.address)
            try:
                error = await self._finish_despite_deletion(self._launch(container, variables, init=init))
                break
            except (EngineCallError, NotReadyError) as refusal:
                container.mark_waiting(reasons.CONTAINER_CREATION, str(refusal))
                self._warn("Failed", f"Error: {refusal}")
                self._publish()
            await asyncio.sleep(delay)
            delay = min(2 * delay, BACK_OFF_MOST_S)
        if error is not None:
            container.mark_start_failed(error)
            self._warn("Failed", f"Error: {error}")
            self._publish()
            return 128
        self._node.meter.watch(container.id)
        container.mark_running()
        watch = None
        if any(container.spec.get(kind) for kind in ("startupProbe", "readinessProbe", "livenessProbe")):
            prober = ProbeRunner(self._node.engine, container, self.address, self._publish, self._event, self._grace())
            watch = self._node.spawn(prober.run(), f"probes of {container.name}")
        else:
            container.ready = container.started = True
        self._publish()
        try:
            if self._reports_lost_files:
                container.layer = await find_layer(self._node.engine, self._node.config, container.id)
            code = await self._exit(container)
            self._network.on_ended()
        finally:
            if watch:
                watch.cancel()
            most = self._node.meter.end(container.id)
            self._most_memory = max(self._most_memory, most or 0)
        self._publish()
        return code

    async def _launch(self, container: PodContainer, variables: dict[str, str], *, init: bool) -> str | None:
        """Create and start the container; the engine's words when it cannot be started.

        Raises:
            EngineCallError, NotReadyError: it cannot even be created.
        """
        node = self._node
        if container.id:
            await node.engine.remove(container.id)
            container.id = ""
        mounts = node.volumes.mounts(self._pod, container.spec, self._sources, memory_limit(container.spec))
        async with node.slots, self._network.lock:
            network = self._network.for_container(init=init)
            body = container_body(
                node.config,
                self._pod,
                container.spec,
                image=container.image_id,
                command=node.images.command_of(container.spec["image"]),
                variables=variables,
                mounts=mounts,
                network=network,
                networks=node.networks,
                raw_sockets=not self._network.guarded,
            )
            container.kills_before = count_kills()
            container.id = await node.engine.create(self._name(container.name, container.restarts), body)
            if isinstance(network, NetworkPlan):
                await node.networks.attach(container.id, network)
                self._network.expect(container.id)
            try:
                await node.engine.start(container.id)
            except EngineCallError as refusal:
                if "port is already allocated" in refusal.message:
                    self._network.forget_ports()
                    raise
                return refusal.message
            wanted = mounts.compared
            if wrong := await check_mounts(node.engine, node.config, node.sandbox_image, container.id, wanted):
                await node.engine.remove(container.id)
                container.id = ""
                return wrong
            if isinstance(network, NetworkPlan):
                await self._network.on_joined(container.id)
        return None

    async def _exit(self, container: PodContainer) -> int:
        """Wait for the end of a container and note how it ended."""
        engine = self._node.engine
        record: dict[str, Any] | None
        while True:
            try:
                code = await engine.wait(container.id)
                record = await engine.inspect(container.id, size=True)
            except EngineCallError as problem:
                if problem.status == 404:
                    code, record = 137, None
                    break
                # the engine went away or restarts: it knows better when it is back
                await asyncio.sleep(1.0)
                continue
            if not record["State"]["Running"]:
                code = int(record["State"]["ExitCode"])
                break
        kills = 0 if self._deletion or self._evicted else count_kills() - container.kills_before
        container.mark_terminated(record, code, out_of_memory=ran_out_of_memory(record, kills))
        written = int((record or {}).get("SizeRw") or 0)
        if record and written >= lost_files.LEAST_BYTES and self._reports_lost_files:
            self._written += written
            self._node.spawn(self._report_lost_files(container, record), f"files of {self.key.name}")
        return code

    async def _report_lost_files(self, container: PodContainer, record: Mapping[str, Any]) -> None:
        """Report files that a container has written outside of its volumes; its pod's end does not wait for them."""
        node, layer = self._node, container.layer
        mounted = [str(mount["Destination"]) for mount in record.get("Mounts") or ()]
        with contextlib.suppress(EngineCallError):  # the container is gone: nothing to report
            paths = await list_written_paths(node.engine, node.config, node.sandbox_image, container.id, layer)
            found = lost_files.select_notable(paths, mounted)

            def change(pod: Manifest) -> None:
                pod["metadata"].setdefault("annotations", {})[ANNOTATION_WRITTEN_FILES] = json.dumps(found)

            self._node.store.edit(self.key, change)

    # -- Services that come and go -----------------------------------------------------------------------------

    async def replan(self) -> bool:
        """Apply changed names of Services; return ``False`` when only a new container can have its ports."""
        async with self._network.lock:
            if self._facts["phase"] in ("Succeeded", "Failed"):
                return True
            return await self._network.replan()

    # -- the end ------------------------------------------------------------------------------------------------

    def delete(self, grace_s: int) -> asyncio.Task[Any]:
        """Stop and remove everything of the pod, then the pod itself; a second call may only hasten it."""
        if self._deletion is None:
            self._deletion = self._node.spawn(self._delete(grace_s), f"deletion of {self.key.name}")
        elif grace_s == 0:
            self._node.spawn(self._stop_all(0), f"killing of {self.key.name}")
        return self._deletion

    async def evict(self, short_of: str, details: str) -> None:
        """End the pod because the node is short of a resource; it stays, failed, as on Kubernetes."""
        self._short_of = short_of
        self._evicted = f"The node was low on resource: {short_of}. {details}"
        self._warn(reasons.EVICTED, self._evicted)
        await self._stop_all(0)

    @property
    def is_task(self) -> bool:
        """Whether the pod does its work once and belongs to nothing that would make another."""
        return self._pod["spec"]["restartPolicy"] == "Never" and not self._pod["metadata"].get("ownerReferences")

    @property
    def running_containers(self) -> list[str]:
        """The engine's ids of the containers that run."""
        return [container.id for container in (*self.init, *self.containers) if "running" in container.state]

    async def halt(self) -> None:
        """Start nothing any more; a container that is just being created is known when this returns."""
        self._task.cancel()
        await asyncio.gather(self._task, *self._pending, return_exceptions=True)

    async def _delete(self, grace_s: int) -> None:
        await self.halt()
        await self._network.leave()
        await self._stop_all(grace_s)
        ids = [container.id for container in (*self.init, *self.containers) if container.id]
        await asyncio.gather(*(self._node.engine.remove(container) for container in ids))
        await self._network.remove_sandbox()
        for container in (*self.init, *self.containers):
            self._node.meter.end(container.id)
        await asyncio.to_thread(shutil.rmtree, self._node.volumes.home(self._pod), True)
        self._node.store.remove(self.key)

    async def _stop_all(self, grace_s: int) -> None:
        await asyncio.gather(*(self._node.engine.stop(container, grace_s) for container in self.running_containers))

    def _grace(self) -> int:
        return int(self._pod["spec"].get("terminationGracePeriodSeconds", 30))

    def _finish(self, phase: str, reason: str = "", message: str = "") -> None:
        if self._evicted and phase == "Failed":
            reason, message = reasons.EVICTED, self._evicted
        self._facts.update(phase=phase, reason=reason, message=message)
        self._publish()
        self._node.spawn(self._network.remove_sandbox(), "removal of a pod's network")

    # -- telling --------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        if self._facts["phase"] == "Pending" and all(container.ever_ran for container in self.containers):
            self._facts["phase"] = "Running"

        def change(pod: Manifest) -> None:
            places = {"address": self.address, "addresses": self._network.addresses}
            pod["status"] = pod_status(pod, self.containers, self.init, **places, **self._facts)
            pod["spec"].setdefault("nodeName", self._node.manifest()["metadata"]["name"])
            containers = (*self.init, *self.containers)
            facts = pod_annotations(
                containers, memory=self._most_memory, written=self._written, short_of=self._short_of
            )
            if facts:
                pod["metadata"].setdefault("annotations", {}).update(facts)

        self._node.store.edit(self.key, change)

    def _event(self, reason: str, message: str, kind: str = "Normal") -> None:
        self._node.event(self._pod, reason, message, kind)

    def _warn(self, reason: str, message: str) -> None:
        self._event(reason, message, "Warning")

    def _name(self, container: str, attempt: int) -> str:
        return f"{self._node.config.prefix}_{self.key.namespace}_{self.key.name}_{container}_{attempt}"

    async def _finish_despite_deletion(self, work: Any) -> Any:
        """Finish an operation even if the pod is deleted during it: half a creation could not be undone."""
        task = asyncio.ensure_future(work)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return await asyncio.shield(task)
