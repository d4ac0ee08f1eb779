"""Reach Services of a real cluster from outside, and explain why one cannot be reached."""

from __future__ import annotations

from harness.errors import PlatformError
from harness.kube import KubeApi


def find_node_port(api: KubeApi, namespace: str, service: str, port: int, *, timeout_s: float) -> int:
    """Return the node port of a port of a Service of type ``NodePort``; waits until the Service exists.

    Raises:
        PlatformError: there is no such port, or there is no such Service in time.
    """
    what = f"port {port} of Service {namespace}/{service}"
    for change, manifest in api.watch("Service", namespace, name=service, timeout_s=timeout_s):
        if change == "DELETED":
            continue
        spec = manifest["spec"]
        entry = next((entry for entry in spec.get("ports") or () if entry["port"] == port), None)
        if entry is None or spec.get("type") not in ("NodePort", "LoadBalancer"):
            raise PlatformError(
                f"{what} cannot be reached from this process",
                last_seen=f"type {spec.get('type')}, ports {[entry['port'] for entry in spec.get('ports') or ()]}",
                fix="give the Service the type NodePort",
            )
        if entry.get("nodePort"):
            return int(entry["nodePort"])
    raise PlatformError(f"{what} got no address within {timeout_s:g} s", last_seen="the Service does not exist")


def find_cluster_address(api: KubeApi, namespace: str, service: str) -> str:
    """Return the address under which nodes and pods reach a Service."""
    return str(api.get("Service", namespace, service)["spec"]["clusterIP"])
