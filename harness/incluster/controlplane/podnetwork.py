"""The networks of one pod: their holder, its address, and the ports of Services that are published for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from harness.incluster.controlplane import routing_rules
from harness.incluster.controlplane.container_bodies import network_body
from harness.incluster.controlplane.egress import SURVEY, EngineHost
from harness.incluster.controlplane.engine import EngineCallError, EngineTimeoutError
from harness.incluster.controlplane.helper_containers import run_helper
from harness.incluster.controlplane.networks import NetworkPlan
from harness.incluster.controlplane.node import Node
from harness.incluster.controlplane.store import Key, key_of
from harness.kube import Manifest
from harness.wire import name_lookups as unresolved_names
from harness.wire.labels import LABEL_ROLE
from harness.wire.name_lookups import UnresolvedName
from harness.wire.names import LABEL_NETWORK_EXTERNAL

_GUARD_S = 60.0


class PodNetwork:
    """The pod's place in the networks. Hold ``lock`` to change it.

    Args:
        node: the parts of the control plane.
        pod: the pod as it was created.
        on_change: called when the pod has got other names or another address while it runs.

    Attributes:
        address: IP address of the pod, empty until it is known.
        addresses: those on all of its networks, that one first.
        guarded: rules block addresses for the pod, from before its first container starts.
        sandbox: the container that only holds the network, empty when one of the pod's own containers does.
    """

    def __init__(self, node: Node, pod: Manifest, on_change: Callable[[], None]) -> None:
        self._node = node
        self._pod = pod
        self._on_change = on_change
        self.lock = asyncio.Lock()
        self.address = ""
        self.addresses: tuple[str, ...] = ()
        self.sandbox = ""
        self.guarded = False
        self._plan = NetworkPlan({})
        # the container with the pod's network, while it runs
        self._owner = ""
        self._unknown: set[str] = set()

    async def start_sandbox(self, name: str) -> None:
        """Start a container that only holds the network, so that those of the pod can come and go."""
        node = self._node
        async with self.lock:
            self._plan = node.networks.plan(self._pod)
            host: dict[str, Any] = {
                "PidsLimit": 16,
                "CapDrop": ["ALL"],
                "ReadonlyRootfs": True,
                "SecurityOpt": ["no-new-privileges"],
            }
            self.guarded = self._plan.needs_guard
            if self.guarded:
                # for the rules about this network; no container of the pod runs in here
                host["CapAdd"] = ["NET_ADMIN"]
                await node.networks.ensure_out_network()
            body = {
                "Image": self._node.sandbox_image,
                "Entrypoint": ["sleep", "infinity"],
                "Cmd": [],
                "User": "0",
                "Labels": {**self._node.config.labels, LABEL_ROLE: "sandbox"},
                "HostConfig": host,
            } | network_body(self._pod, self._plan, self._node.networks, host)
            self.sandbox = await self._node.engine.create(name, body)
            self.expect(self.sandbox)
            await self._node.networks.attach(self.sandbox, self._plan)
            await self._node.engine.start(self.sandbox)
            if self.guarded:
                await self._guard(name)
            await self.on_joined(self.sandbox)

    def needs_guard(self) -> bool:
        """Return whether the pod may only start in a network that has been guarded before."""
        return self._node.networks.plan(self._pod).needs_guard

    async def _guard(self, name: str) -> None:
        node = self._node
        # for every pod again: addresses of a host come and go
        place = {"NetworkMode": "host", "UsernsMode": "host"}
        survey = await run_helper(node.engine, node.config, node.sandbox_image, SURVEY, place, name=f"{name}_survey")
        rules = await node.networks.guard_rules(self._plan, EngineHost.read(survey.decode("utf-8", "replace")))
        command = ["python", "-m", routing_rules.__name__, json.dumps(rules)]
        try:
            code, words = await node.engine.execute(self.sandbox, command, _GUARD_S)
        except EngineTimeoutError as late:
            raise EngineTimeoutError(f"the pod's network was not guarded in time: {late}") from None
        if code:
            raise EngineCallError(0, f"the pod's network cannot be guarded: exit status {code}: {words or 'no reason'}")

    def for_container(self, *, init: bool) -> NetworkPlan | str:
        """Return the network of a new container: the sandbox that it joins, or a separate plan."""
        if self.sandbox:
            return self.sandbox
        plan = self._node.networks.plan(self._pod)
        if init:
            # an init container is no end point of a Service
            plan = NetworkPlan(dict.fromkeys(plan.endpoints, ()))
        self._plan = plan
        return plan

    async def on_joined(self, container: str) -> None:
        """Record the address and the published ports of the container that owns the pod's network."""
        record = await self._node.engine.inspect(container)
        self._owner = container
        addresses = self._node.networks.addresses_in(record, self._plan)
        address = addresses[0] if addresses else ""
        self.addresses = addresses or self.addresses
        self.address = address or self.address
        self._node.name_lookups.register(container, address)
        bound = record["NetworkSettings"]["Ports"] or {}
        for port in self._plan.published:
            binding = bound.get(f"{port.port}/{port.protocol}")
            if binding:
                self._set_port(port.service, port.index, int(binding[0]["HostPort"]))

    def _unknown_name(self, name: str) -> None:
        """Record an Event, once for each name that the pod has asked for and no Service on its networks has."""
        if name in self._unknown or self._node.store.find(*key_of(self._pod)) is None:
            return
        self._unknown.add(name)
        label = self._node.networks.label_for(name)
        unresolved = UnresolvedName(name, label is not None, LABEL_NETWORK_EXTERNAL if label is None else label)
        self._node.event(
            self._pod, unresolved_names.REASON, unresolved.summary, "Warning", annotations=unresolved.annotations()
        )

    def expect(self, container: str) -> None:
        """Announce the start of a container that will have the pod's address."""
        self._node.name_lookups.announce(container, self._unknown_name)

    def on_ended(self) -> None:
        """Record the end of a container; if it had the pod's address, the engine gives that to another."""
        if not self.sandbox:
            self._node.name_lookups.forget(self._unknown_name)

    def forget_ports(self) -> None:
        """Release the ports of the engine's host, so that others are chosen."""
        for port in self._plan.published:
            self._set_port(port.service, port.index, 0)

    def _set_port(self, service: str, index: int, number: int) -> None:
        def change(manifest: Manifest) -> None:
            entry = manifest["spec"]["ports"][index]
            entry.pop("nodePort", None)
            if number:
                entry["nodePort"] = number

        self._node.store.edit(Key("Service", key_of(self._pod).namespace, service), change)

    async def replan(self) -> bool:
        """Apply changed names of Services; return ``False`` when only a new container can have its ports."""
        if not self._owner:
            return True
        plan = self._node.networks.plan(self._pod)
        published = {(port.port, port.protocol) for port in self._plan.published}
        if {(port.port, port.protocol) for port in plan.published} - published:
            return False
        if plan.endpoints != self._plan.endpoints:
            await self._node.networks.change(self._owner, self._plan, plan)
            self._plan = plan
            await self.on_joined(self._owner)
            self._on_change()
        return True

    async def leave(self) -> None:
        """Change nothing any more: an engine that removes and connects a container at once loses count of it."""
        async with self.lock:
            self._owner = ""

    async def remove_sandbox(self) -> None:
        """Remove the container that held the network, if there is one, but not while it is being connected."""
        async with self.lock:
            self._owner = ""
            self._node.name_lookups.forget(self._unknown_name)
            if self.sandbox:
                await self._node.engine.remove(self.sandbox)
