"""kind's configuration of a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

# Ports for Services of type NodePort. The API server hands out these only, and each is published on 127.0.0.1 under
# a random port of the host: so every such Service is reached from outside, and nothing has a fixed port.
NODE_PORTS = range(30000, 30024)
CERTS_DIR = "/etc/containerd/certs.d"
CONTENT = "/var/lib/containerd"
BASE = "/kaapana-harness/content"
"""Where the layers of a node's images are, when they are not in its own content."""
VOLUMES = "/var/local-path-provisioner"
"""Where the provisioner of kind has the volumes that it makes, and removes them from."""
# as on the docker cluster: a fork bomb must not take the machine
_PIDS = 4096
_API_SERVER = {"service-node-port-range": f"{NODE_PORTS[0]}-{NODE_PORTS[-1]}"}
# the default lets what starts all controllers wait for seconds, and pods of runs at once after it
_CONTROLLERS = {"kube-api-qps": "200", "kube-api-burst": "400", "leader-elect": "false"}
# From 1.35 on a kubelet refuses a machine with cgroup v1 by default, and keeps an imported image from pods without a
# login if another image with the same content was pulled with one. The platform's (1.33, services 16) does neither.
# Older ones do not know the second setting, or not without its feature gate.
_KUBELET_1_35 = {"failCgroupV1": False, "imagePullCredentialsVerificationPolicy": "NeverVerify"}
# the price: a cluster that is kept may not come back after the machine has lost its power
_ETCD = {"unsafe-no-fsync": "true"}

_CONTAINERD = f"""
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{CERTS_DIR}"
"""


HOST_PORTS = 1 + len(NODE_PORTS)
"""How many ports of the host a cluster has: the API server's, and one for each node port."""


def make_document(
    name: str,
    *,
    kubernetes: tuple[int, int],
    host_ports: Sequence[int],
    nodes: int = 1,
    content: Sequence[str] = (),
    base: str = "",
) -> dict[str, Any]:
    """Return the configuration (``kind.x-k8s.io/v1alpha4``).

    Args:
        name: of the cluster.
        kubernetes: its version.
        host_ports: :data:`HOST_PORTS` ports of the host, which the node keeps when its container is started again;
            kind chooses one for a 0.
        nodes: how many.
        content: the folder of the engine's machine that is the content of containerd, for each node.
        base: the folder of the engine's machine that the layers in these are in.
    """
    api_port, *node_ports = host_ports
    ports = [
        {"containerPort": port, "hostPort": host_port, "listenAddress": "127.0.0.1", "protocol": "TCP"}
        for port, host_port in zip(NODE_PORTS, node_ports, strict=True)
    ]
    patches: list[dict[str, Any]] = [
        # kind writes v1beta4 for Kubernetes 1.36 and newer; it takes the patch of the version that it writes
        _cluster_patch("v1beta3", lambda arguments: arguments),
        _cluster_patch("v1beta4", lambda arguments: [{"name": name, "value": arguments[name]} for name in arguments]),
        {"kind": "KubeletConfiguration", "podPidsLimit": _PIDS, **(_KUBELET_1_35 if kubernetes >= (1, 35) else {})},
    ]
    if nodes > 1:
        # kind opens the control plane to pods only where it is the only node
        patches.append({"kind": "InitConfiguration", "nodeRegistration": {"taints": []}})
    entries: list[dict[str, Any]] = [{"role": "control-plane", "extraPortMappings": ports}]
    entries += [{"role": "worker"} for _ in range(nodes - 1)]
    for entry, folder in zip(entries, content, strict=False):
        entry["extraMounts"] = [
            {"hostPath": folder, "containerPath": CONTENT},
            {"hostPath": base, "containerPath": BASE, "readOnly": True},
        ]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": name,
        "networking": {
            "ipFamily": "ipv4",
            "apiServerAddress": "127.0.0.1",
            "apiServerPort": api_port,
        },
        "containerdConfigPatches": [_CONTAINERD],
        "kubeadmConfigPatches": [json.dumps(patch) for patch in patches],
        "nodes": entries,
    }


def _cluster_patch(version: str, written: Callable[[dict[str, str]], Any]) -> dict[str, Any]:
    """Return the changes of kubeadm's configuration, with program arguments in the style of that version."""
    return {
        "apiVersion": f"kubeadm.k8s.io/{version}",
        "kind": "ClusterConfiguration",
        "apiServer": {"extraArgs": written(_API_SERVER)},
        "controllerManager": {"extraArgs": written(_CONTROLLERS)},
        "etcd": {"local": {"extraArgs": written(_ETCD)}},
    }


def make_hosts_toml(mirror: str, prefix: str = "", authorization: str = "") -> str:
    """Return containerd's description of a registry: pulls of its name go to this address.

    Args:
        mirror: URL of the registry as a node reaches it.
        prefix: of the repositories with that name there.
        authorization: header for it, instead of a pod's login.
    """
    where = f"{mirror}/v2/{prefix}" if prefix else mirror
    path = "override_path = true\n" if prefix else ""
    value = f"Authorization = {json.dumps(authorization)}\n"
    top, header = (f"\n[header]\n{value}", f'[host."{where}".header]\n{value}') if authorization else ("", "")
    # containerd falls back to the server if the host fails: never to an outside owner of the name
    return f'server = "{where}"\n{path}{top}\n[host."{where}"]\ncapabilities = ["pull", "resolve"]\n{path}{header}'
