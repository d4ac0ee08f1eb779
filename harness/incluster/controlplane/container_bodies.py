"""From one container of a pod to the arguments with which the engine creates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.networks import NetworkPlan, Networks
from harness.incluster.controlplane.variables import expand
from harness.incluster.controlplane.volumes import Mounts
from harness.kube import Manifest
from harness.kube.quantities import parse, round_up
from harness.wire.container_logs import READABLE_LOG
from harness.wire.labels import LABEL_ROLE

# a bound that a fork bomb meets and a scientific program does not
_PIDS = 4096
_CPU_PERIOD_US = 100_000
# the engine's smallest quota
_CPU_LEAST_US = 1_000
_RAW_SOCKETS = "NET_RAW"


def memory_limit(container: Mapping[str, Any]) -> int:
    """Return the bytes of ``resources.limits.memory``, 0 without a limit."""
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return round_up(limit) if limit is not None else 0


def devices(container: Mapping[str, Any]) -> int:
    """Return the number of NVIDIA devices that the container demands."""
    limit = ((container.get("resources") or {}).get("limits") or {}).get("nvidia.com/gpu")
    return round_up(limit) if limit is not None else 0


def container_body(
    config: ControlPlaneConfig,
    pod: Manifest,
    container: Mapping[str, Any],
    *,
    image: str,
    command: Sequence[str] = (),
    variables: Mapping[str, str],
    mounts: Mounts,
    network: NetworkPlan | str,
    networks: Networks,
    raw_sockets: bool = True,
) -> dict[str, Any]:
    """Return the body of the engine's ``create``.

    Args:
        config: of this control plane.
        pod: the pod.
        container: one of its containers.
        image: the engine's id of the image.
        command: takes the place of the image's own; empty for that.
        variables: the whole environment.
        mounts: the volumes.
        network: the plan, or the id of the container that shares its network.
        networks: knows the engine's names of networks.
        raw_sockets: whether it may write packets that no rule of its network looks at.
    """
    limit = memory_limit(container)
    host: dict[str, Any] = {
        "Mounts": mounts.binds,
        "Tmpfs": mounts.tmpfs,
        "PidsLimit": _PIDS,
        "LogConfig": READABLE_LOG,
    }
    if mounts.shm_size:
        host["ShmSize"] = mounts.shm_size
    if limit:
        # the same value: no swap, as on a node of Kubernetes
        host["Memory"] = host["MemorySwap"] = limit
    cpu = ((container.get("resources") or {}).get("limits") or {}).get("cpu")
    if cpu is not None and parse(cpu) > 0:
        host["CpuPeriod"] = _CPU_PERIOD_US
        host["CpuQuota"] = max(_CPU_LEAST_US, int(parse(cpu) * _CPU_PERIOD_US))
    if count := devices(container):
        host["DeviceRequests"] = [{"Driver": "nvidia", "Count": count, "Capabilities": [["gpu"]]}]
    body: dict[str, Any] = {
        "Image": image,
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "Labels": {
            **config.labels,
            LABEL_ROLE: "pod",
            "kaapana-harness.pod": f"{pod['metadata']['namespace']}/{pod['metadata']['name']}",
            "kaapana-harness.container": str(container["name"]),
        },
        "HostConfig": host,
    }
    if container.get("command"):
        body["Entrypoint"] = [expand(word, variables) for word in container["command"]]
    if container.get("args"):
        body["Cmd"] = [expand(word, variables) for word in container["args"]]
    if command and not container.get("command") and not container.get("args"):
        body["Cmd"] = list(command)
    if container.get("workingDir"):
        body["WorkingDir"] = container["workingDir"]
    if container.get("stdin"):
        body["OpenStdin"] = True
    _security(pod, container, body, host)
    if not raw_sockets:
        host["CapAdd"] = [name for name in host.get("CapAdd") or () if name != _RAW_SOCKETS]
        host["CapDrop"] = [*(host.get("CapDrop") or ()), _RAW_SOCKETS]
    if isinstance(network, str):
        host["NetworkMode"] = f"container:{network}"
    else:
        body |= network_body(pod, network, networks, host)
    return body


def network_body(pod: Manifest, plan: NetworkPlan, networks: Networks, host: dict[str, Any]) -> dict[str, Any]:
    """Return host name, first network and published ports; add what concerns networks and names to ``host``."""
    first, aliases = next(iter(plan.endpoints.items()))
    host["NetworkMode"] = networks.full_name(first)
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in plan.published:
        address = {"HostIp": "127.0.0.1", "HostPort": str(port.node_port or "")}
        bindings[f"{port.port}/{port.protocol}"] = [address]
    host["PortBindings"] = bindings
    host["ExtraHosts"] = [
        f"{name}:{entry['ip']}"
        for entry in pod["spec"].get("hostAliases") or ()
        for name in entry.get("hostnames") or ()
    ]
    namespace = pod["metadata"]["namespace"]
    host["DnsSearch"] = [f"{namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local"]
    if resolver := networks.resolver(plan):
        host["Dns"] = [resolver]
    return {
        # the host name of a pod is its name, at most a label of DNS long
        "Hostname": (pod["spec"].get("hostname") or pod["metadata"]["name"])[:63].rstrip("-."),
        "ExposedPorts": {port: {} for port in bindings},
        "NetworkingConfig": {"EndpointsConfig": {networks.full_name(first): {"Aliases": list(aliases)}}},
    }


def _security(pod: Manifest, container: Mapping[str, Any], body: dict[str, Any], host: dict[str, Any]) -> None:
    shared = pod["spec"].get("securityContext") or {}
    context = {**shared, **(container.get("securityContext") or {})}
    user, group = context.get("runAsUser"), context.get("runAsGroup")
    if user is not None:
        body["User"] = f"{user}:{group}" if group is not None else str(user)
    groups = [str(entry) for entry in shared.get("supplementalGroups") or ()]
    if shared.get("fsGroup") is not None:
        groups.append(str(shared["fsGroup"]))
    if groups:
        host["GroupAdd"] = groups
    capabilities = context.get("capabilities") or {}
    if capabilities.get("add"):
        host["CapAdd"] = capabilities["add"]
    if capabilities.get("drop"):
        host["CapDrop"] = capabilities["drop"]
    if context.get("readOnlyRootFilesystem"):
        host["ReadonlyRootfs"] = True
    if context.get("allowPrivilegeEscalation") is False:
        host["SecurityOpt"] = ["no-new-privileges"]
