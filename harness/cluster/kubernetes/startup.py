"""Wait until a new cluster takes pods and resolves names."""

from __future__ import annotations

from harness.errors import PlatformError
from harness.kube import ApiError, KubeApi, Manifest, events

_DNS = ("kube-system", "coredns")


def wait_for_nodes(api: KubeApi, nodes: int, *, timeout_s: float) -> None:
    """Wait until all nodes are ready.

    Args:
        nodes: the number of nodes.

    Raises:
        PlatformError: they are not ready in time; ``last_seen`` has the last observation.
    """
    ready: set[str] = set()
    seen = "no node"
    for _, node in api.watch("Node", None, timeout_s=timeout_s):
        name = node["metadata"]["name"]
        condition = _condition(node, "Ready")
        seen = f"node {name}: {condition.get('reason') or 'not ready'} {condition.get('message') or ''}".rstrip()
        (ready.add if condition.get("status") == "True" else ready.discard)(name)
        if len(ready) >= nodes:
            return
    raise PlatformError(f"the nodes of the cluster were not ready within {timeout_s:g} s", last_seen=seen)


def wait_for_names(api: KubeApi, *, timeout_s: float) -> None:
    """Wait until names of Services resolve.

    Raises:
        PlatformError: they do not in time; ``last_seen`` has the cluster's message.
    """
    namespace, name = _DNS
    for _, deployment in api.watch("Deployment", namespace, name=name, timeout_s=timeout_s):
        if _condition(deployment, "Available").get("status") == "True":
            return
    raise PlatformError(
        f"the cluster resolves no names: {name} was not available within {timeout_s:g} s", last_seen=_node_reason(api)
    )


def find_trouble(api: KubeApi) -> str:
    """Return the problem of a cluster that was usable, in one line; empty if it works."""
    try:
        nodes = api.list("Node")
    except ApiError as error:
        return f"the cluster's API server does not answer: {error}"
    for node in nodes:
        condition = _condition(node, "Ready")
        if condition.get("status") != "True":
            reason = condition.get("message") or condition.get("reason") or "without a reason"
            return f"node {node['metadata']['name']} is not ready: {reason}"
    return ""


def _node_reason(api: KubeApi) -> str:
    """Return the events of the cluster's DNS pods, a line each."""
    try:
        pods = api.list("Pod", _DNS[0], labels={"k8s-app": "kube-dns"})
        return "\n".join(line for pod in pods for line in events.list_unusual(api, pod)) or "no pod"
    except ApiError as error:
        return str(error)


def _condition(manifest: Manifest, kind: str) -> Manifest:
    for entry in (manifest.get("status") or {}).get("conditions") or ():
        if entry["type"] == kind:
            return dict(entry)
    return {}
