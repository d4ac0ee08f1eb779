"""Which networks a pod joins, and under which names: Services and network policies on a Docker engine.

``platform``, ``pods`` and ``ctp`` have no route out, and the engine's host has no address on them. ``edge`` is an
ordinary bridge, for the published ports of the platform's own pods. ``out`` is one whose pods do not see each other,
for those that may reach the internet and for published ports of others (runtime 12, services 3.4); what they may not
reach is what ``egress`` lists.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ipaddress
from collections.abc import Mapping
from typing import Any

from harness.incluster.controlplane.config import API_HOST, ControlPlaneConfig
from harness.incluster.controlplane.egress import Egress, EngineHost, egress_rules, read_networks
from harness.incluster.controlplane.engine import Engine, EngineCallError
from harness.incluster.controlplane.errors import UntranslatableError
from harness.incluster.controlplane.routing_rules import PROTOCOLS, RoutingRule
from harness.incluster.controlplane.selectors import matches
from harness.incluster.controlplane.store import Store
from harness.kube import Manifest
from harness.wire import subnets
from harness.wire.annotations import ANNOTATION_NETWORKS, ANNOTATION_REACHABLE
from harness.wire.names import (
    ADMIN_NAMESPACE,
    LABEL_NETWORK_CTP,
    LABEL_NETWORK_EXTERNAL,
    SERVICES_NAMESPACE,
)

PLATFORM, PODS, CTP, EDGE, OUT = "platform", "pods", "ctp", "edge", "out"
_ALL = (OUT, EDGE, PLATFORM, PODS, CTP)
_CHOSEN = (EDGE, PLATFORM, PODS, CTP)
_INSIDE = (PLATFORM, PODS, CTP)
_PROJECT = "project-"
OWN_ANNOTATIONS = frozenset({ANNOTATION_NETWORKS, ANNOTATION_REACHABLE})
OWN_ONLY = "only the platform's own objects choose networks"
PLATFORM_NAMESPACES = (ADMIN_NAMESPACE, SERVICES_NAMESPACE)


@dataclasses.dataclass(frozen=True)
class PublishedPort:
    """A port of a Service that the host shall reach."""

    service: str
    index: int
    port: int
    protocol: str
    node_port: int


@dataclasses.dataclass(frozen=True)
class NetworkPlan:
    """What the container that owns a pod's network gets.

    Attributes:
        endpoints: aliases by network, the first network is the one it is created in.
        published: ports for the host.
        way_out: whether the pod may reach the internet.
    """

    endpoints: dict[str, tuple[str, ...]]
    published: tuple[PublishedPort, ...] = ()
    way_out: bool = False

    @property
    def needs_guard(self) -> bool:
        """Whether the pod's network needs rules that block addresses."""
        return OUT in self.endpoints


def service_dns_names(service: str, namespace: str) -> list[str]:
    """Return the DNS names of a Service, shortest first."""
    base = f"{service}.{namespace}"
    return [base, f"{base}.svc", f"{base}.svc.cluster.local"]


def check_own_annotations(namespace: str | None, annotations: Mapping[str, Any], where: str) -> None:
    """Check that nothing outside of the platform's own namespaces chooses its networks.

    Raises:
        UntranslatableError: names the annotation.
    """
    for key in OWN_ANNOTATIONS & annotations.keys():
        if namespace not in PLATFORM_NAMESPACES:
            raise UntranslatableError(f"{where}.annotations[{key}]", f"Forbidden: {OWN_ONLY}")


class Networks:
    """The networks of one environment."""

    def __init__(self, config: ControlPlaneConfig, engine: Engine, store: Store) -> None:
        self._config = config
        self._engine = engine
        self._store = store
        # the control plane's own addresses, by network
        self.own: dict[str, str] = {}
        self._opening = asyncio.Lock()
        self._is_open = False

    def full_name(self, network: str) -> str:
        """Return the engine's name of a network."""
        return f"{self._config.prefix}-{network}"

    async def create(self) -> None:
        """Create the networks and join those over which pods and their probes are reached.

        ``edge`` is there already when this runs in a container: it was started in it.
        """
        own = self._config.own_container

        # ``out`` is made for the first pod that needs it
        wanted = [network for network in _CHOSEN if network != EDGE or not own]
        # continue after a refusal until the others exist: they could not be removed otherwise
        for made in await asyncio.gather(*map(self._create, wanted), return_exceptions=True):
            if isinstance(made, BaseException):
                raise made
        if own:
            api = [API_HOST, "kubernetes", "kubernetes.default", f"{API_HOST}.cluster.local"]
            await self._engine.connect(self.full_name(PLATFORM), own, api)
            await self._engine.connect(self.full_name(PODS), own, [])
            joined = (await self._engine.inspect(own))["NetworkSettings"]["Networks"]
            for network in _ALL:
                if entry := joined.get(self.full_name(network)):
                    self.own[network] = entry["IPAddress"]

    async def _create(self, network: str) -> None:
        options = {}
        if network in _INSIDE:
            # without an address there the host cannot be reached over it
            options["com.docker.network.bridge.inhibit_ipv4"] = "true"
        if network == OUT:
            options["com.docker.network.bridge.enable_icc"] = "false"
        body = {
            "Name": self.full_name(network),
            "CheckDuplicate": True,
            "Driver": "bridge",
            "Internal": network in _INSIDE,
            "EnableIPv6": False,
            "Options": options,
            "Labels": self._config.labels,
        }
        try:
            await self._engine.call("POST", "/networks/create", body=body)
        except EngineCallError as refusal:
            if not subnets.are_used_up(refusal.message) or not await self._create_in_own_range(body):
                raise

    async def _create_in_own_range(self, body: dict[str, Any]) -> bool:
        """Create a network with a range of its own; return ``False`` when all of them are taken."""
        records = await self._engine.call("GET", "/networks")
        taken = [network.prefix for record in records for network in read_networks(record)]
        for subnet in subnets.find_free(taken):
            # the engine records no gateway but one that it was asked for or that it chose with the range
            config = {"Subnet": subnet, "Gateway": str(ipaddress.ip_network(subnet)[1])}
            try:
                await self._engine.call("POST", "/networks/create", body={**body, "IPAM": {"Config": [config]}})
            except EngineCallError as refusal:
                # several networks are made at the same time
                if not subnets.is_taken(refusal.message):
                    raise
            else:
                return True
        return False

    async def ensure_out_network(self) -> None:
        """Make the network that leads out, unless it is there."""
        async with self._opening:
            if not self._is_open:
                await self._create(OUT)
                self._is_open = True

    async def guard_rules(self, plan: NetworkPlan, host: EngineHost) -> list[RoutingRule]:
        """Return the rules for a pod that is on the network that leads out."""
        inside = [name for name in plan.endpoints if name in _INSIDE]
        records = {record["Name"]: read_networks(record) for record in await self._engine.call("GET", "/networks")}
        ports = tuple((port.protocol, port.port) for port in plan.published if port.protocol in PROTOCOLS)
        return egress_rules(
            Egress(records[self.full_name(OUT)][0].gateway, plan.way_out, ports),
            host,
            joined=[network for name in inside for network in records[self.full_name(name)]],
            others=[network for networks in records.values() for network in networks],
            site=bool(self._config.site_network),
        )

    def plan(self, pod: Manifest) -> NetworkPlan:
        """Return the networks, aliases and published ports of a pod.

        Raises:
            UntranslatableError: a Service's port is not the port of the pod.
        """
        metadata = pod["metadata"]
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        namespace = metadata["namespace"]
        project = namespace.startswith(_PROJECT)
        joined = {PODS} if project else {PLATFORM}
        if labels.get(LABEL_NETWORK_CTP) == "true" and project:
            joined.add(CTP)
        way_out = labels.get(LABEL_NETWORK_EXTERNAL) == "true"
        check_own_annotations(namespace, annotations, "metadata")
        for name in _words(annotations.get(ANNOTATION_NETWORKS)):
            if name not in _CHOSEN:
                raise UntranslatableError(f"metadata.annotations[{ANNOTATION_NETWORKS}]", f"unknown network {name!r}")
            joined.add(name)
        aliases: dict[str, list[str]] = {}
        published: list[PublishedPort] = []
        for service in self._store.list("Service", namespace):
            if service["spec"].get("type") != "ExternalName" and matches(service["spec"].get("selector"), labels):
                self._serve(pod, service, project, joined, aliases, published)
        if published and namespace in PLATFORM_NAMESPACES and not way_out:
            joined.add(EDGE)
        elif published or way_out:
            joined.add(OUT)
        endpoints = {name: tuple(sorted(aliases.get(name, ()))) for name in _ALL if name in joined}
        return NetworkPlan(endpoints, tuple(published), way_out)

    def _serve(
        self,
        pod: Manifest,
        service: Manifest,
        project: bool,
        joined: set[str],
        aliases: dict[str, list[str]],
        published: list[PublishedPort],
    ) -> None:
        """Add the effects of one Service on a pod that it selects."""
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        known = service_dns_names(name, namespace) + self._external_names(name, namespace)
        reachable = set(_words((service["metadata"].get("annotations") or {}).get(ANNOTATION_REACHABLE)))
        for network in joined:
            if network == PLATFORM:
                short = [name] if namespace == SERVICES_NAMESPACE else []
                aliases.setdefault(network, []).extend(known + short)
            elif network in reachable or (network == PODS and project):
                aliases.setdefault(network, []).extend(known)
        for index, port in enumerate(service["spec"].get("ports") or ()):
            number = _port_number(pod, port)
            if number != port["port"]:
                raise UntranslatableError(
                    f"Service {namespace}/{name}: spec.ports[{index}].targetPort",
                    f"{port.get('targetPort')!r} is port {number} of pod {pod['metadata']['name']} and not"
                    f" {port['port']}: on the docker cluster both must be the same",
                )
            if service["spec"].get("type") == "NodePort":
                protocol = (port.get("protocol") or "TCP").lower()
                published.append(PublishedPort(name, index, number, protocol, port.get("nodePort") or 0))

    def _external_names(self, name: str, namespace: str) -> list[str]:
        """Return the names of all ExternalName Services that point at a Service."""
        own = {*service_dns_names(name, namespace), *(f"{known}." for known in service_dns_names(name, namespace))}
        found: list[str] = []
        for service in self._store.list("Service"):
            if service["spec"].get("type") == "ExternalName" and service["spec"]["externalName"] in own:
                found += service_dns_names(service["metadata"]["name"], service["metadata"]["namespace"])
        return found

    def resolver(self, plan: NetworkPlan) -> str:
        """Return the name servers for names that no Service has; empty: those of the engine's host."""
        if EDGE in plan.endpoints or plan.way_out:
            return ""
        return next(
            (self.own[network] for network in (PODS, PLATFORM) if network in plan.endpoints and network in self.own), ""
        )

    async def attach(self, container: str, plan: NetworkPlan) -> None:
        """Join a created container to all networks but the first."""
        for network, aliases in list(plan.endpoints.items())[1:]:
            await self._engine.connect(self.full_name(network), container, list(aliases))

    async def change(self, container: str, before: NetworkPlan, after: NetworkPlan) -> None:
        """Change the names of a running container to a new plan: it leaves a network and joins it again."""
        for network, aliases in after.endpoints.items():
            if before.endpoints.get(network) != aliases:
                if network in before.endpoints:
                    await self._engine.disconnect(self.full_name(network), container)
                await self._engine.connect(self.full_name(network), container, list(aliases))

    def addresses_in(self, record: dict[str, Any], plan: NetworkPlan) -> tuple[str, ...]:
        """Return the addresses of a pod from the engine's record of its container, the pod's own first."""
        found = record["NetworkSettings"]["Networks"]
        entries = (
            found.get(self.full_name(network))
            for network in (PODS, PLATFORM, CTP, EDGE, OUT)
            if network in plan.endpoints
        )
        # a container that has ended has none
        return tuple(str(entry["IPAddress"]) for entry in entries if entry and entry["IPAddress"])

    def label_for(self, name: str) -> str | None:
        """Return the label with which a pod reaches a Service; empty if none helps, ``None`` without a Service."""
        for service in self._store.list("Service"):
            metadata = service["metadata"]
            if name in service_dns_names(metadata["name"], metadata["namespace"]):
                reachable = _words((metadata.get("annotations") or {}).get(ANNOTATION_REACHABLE))
                return LABEL_NETWORK_CTP if CTP in reachable else ""
        return None

    async def containers_by_address(self) -> dict[str, str]:
        """Return the containers by their present addresses, on the networks with name resolution."""
        records = [await self._engine.call("GET", f"/networks/{self.full_name(network)}") for network in self.own]
        return {
            str(entry["IPv4Address"]).partition("/")[0]: container
            for record in records
            for container, entry in (record.get("Containers") or {}).items()
        }

    async def remove(self, *, last: bool = False) -> None:
        """Remove the networks, after the own container has left them.

        Args:
            last: also ``edge``, over which the owner is still to be answered.
        """

        async def one(network: str) -> None:
            name = self.full_name(network)
            if self._config.own_container:
                with contextlib.suppress(EngineCallError):
                    await self._engine.disconnect(name, self._config.own_container)
            with contextlib.suppress(EngineCallError):
                await self._engine.remove_network(name)

        await asyncio.gather(*(one(network) for network in _ALL if last or network != EDGE))


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _port_number(pod: Manifest, port: dict[str, Any]) -> int:
    target = port.get("targetPort")
    if target is None or isinstance(target, int):
        return int(target or port["port"])
    for container in pod["spec"]["containers"]:
        for entry in container.get("ports") or ():
            if entry.get("name") == target:
                return int(entry["containerPort"])
    raise UntranslatableError("spec.containers[].ports", f"no port is named {target!r}, which a Service targets")
