"""Translate objects and names on their way to a shared cluster and back.

The platform's namespaces have fixed names (``services``, ``project-x``). On a cluster that belongs to others as well
each environment has its own, with a prefix: ``kh-1a2b3c4d-services``. Programs go on using the fixed names; these
functions change objects when they are sent and when they come back.

    the program             the cluster
    services           ->   kh-1a2b3c4d-services                 scope_object(), cluster_namespace()
    services           <-   kh-1a2b3c4d-services                 unscope(), platform_namespace()
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.kube.manifest import Manifest
from harness.wire.labels import LABEL_ENVIRONMENT

_NAME_LABEL = "kubernetes.io/metadata.name"
# namespaces of the cluster itself, which rules for the network name
_CLUSTERS_OWN = frozenset({"kube-system", "kube-public", "kube-node-lease", "default"})
_NAMESPACE_IN_PATH = re.compile(r"(?P<before>/apis?/.*?/namespaces/)(?P<name>[^/]+)(?P<after>/.*)?")
_SERVICE_NAME = re.compile(r"(?P<service>[^.]+)\.(?P<namespace>[^.]+)\.svc(?P<domain>\..*)?")
_PREFIX = re.compile(r"kh-(?P<environment>[0-9a-z]+)-")
_NOT_PUBLISHED = frozenset({"NodePort", "LoadBalancer"})


def prefix_of(environment_id: str) -> str:
    """Return the prefix of an environment's namespaces."""
    return f"kh-{environment_id}-"


def find_prefix(namespace: str) -> str:
    """Return the prefix in the name of a namespace; empty if it has none."""
    found = _PREFIX.match(namespace)
    return found.group() if found else ""


def environment_of(prefix: str) -> str:
    """Return the id of the environment in a prefix."""
    found = _PREFIX.fullmatch(prefix)
    return found["environment"] if found else ""


def cluster_namespace(prefix: str, namespace: str) -> str:
    """Return the name of a namespace on the cluster."""
    return prefix + namespace


def platform_namespace(prefix: str, namespace: str) -> str:
    """Return the name of a namespace as the platform has it."""
    return namespace.removeprefix(prefix)


def scope_path(prefix: str, path: str) -> str:
    """Return the path of a request, with the real name of its namespace on the cluster."""
    found = _NAMESPACE_IN_PATH.fullmatch(path)
    if found is None:
        return path
    return f"{found['before']}{cluster_namespace(prefix, found['name'])}{found['after'] or ''}"


def is_namespaced(path: str) -> bool:
    """Return whether a request stays within namespaces: concerns an object in one, or one itself."""
    return path == "/api/v1/namespaces" or _NAMESPACE_IN_PATH.fullmatch(path) is not None


def pod_specs(manifest: Manifest) -> Iterator[Manifest]:
    """Yield the specification of the pods that an object is or makes."""
    spec = manifest.get("spec")
    if not isinstance(spec, dict):
        return
    if manifest.get("kind") == "Pod":
        yield spec
    if manifest.get("kind") == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    template = spec.get("template")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        yield template["spec"]


def scope_object(
    manifest: Manifest, prefix: str, *, images: Mapping[str, str], aliases: Sequence[Manifest], storage_class: str = ""
) -> Manifest:
    """Return an object to send.

    Args:
        manifest: as the program has it; not changed.
        prefix: of the environment's namespaces.
        images: reference in pods to the reference under which the nodes get it.
        aliases: ``hostAliases`` for the pods in it, see :func:`host_aliases`.
        storage_class: for claims without one; empty: the cluster's default.
    """
    manifest = copy.deepcopy(manifest)
    metadata = manifest.setdefault("metadata", {})
    labels = {LABEL_ENVIRONMENT: environment_of(prefix)}
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    if metadata.get("namespace"):
        metadata["namespace"] = cluster_namespace(prefix, metadata["namespace"])
    kind, spec = manifest.get("kind"), manifest.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    if kind == "Namespace":
        metadata["name"] = cluster_namespace(prefix, metadata["name"])
    elif kind == "NetworkPolicy":
        _scope_policy(spec, prefix)
    elif kind == "Service":
        _scope_service(spec, prefix)
    elif kind == "RoleBinding":
        for subject in manifest.get("subjects") or ():
            if subject.get("namespace"):
                subject["namespace"] = cluster_namespace(prefix, subject["namespace"])
    elif kind == "PersistentVolumeClaim" and storage_class and not spec.get("storageClassName"):
        spec["storageClassName"] = storage_class
    for pod in pod_specs(manifest):
        # classes of priority are the whole cluster's, and those of the platform would drive out the pods of others
        pod.pop("priorityClassName", None)
        pod["hostAliases"] = [*(pod.get("hostAliases") or []), *aliases]
        for container in [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]:
            image = container.get("image", "")
            container["image"] = images.get(image, image)
    return manifest


def unscope(document: Any, prefix: str) -> Any:
    """Return an answer with the namespaces as the platform has them; change it in place."""
    if not isinstance(document, dict):
        return document
    kind = str(document.get("kind") or "")
    if isinstance(document.get("items"), list):
        for item in document["items"]:
            _unscope(item, prefix, str(item.get("kind") or kind.removesuffix("List")))
    else:
        _unscope(document, prefix, kind)
    return document


def host_aliases(services: Iterable[Manifest], prefix: str) -> list[Manifest]:
    """Return entries of ``/etc/hosts`` by which a pod finds Services under the names that the platform gives them.

    Args:
        services: as the program sees them, so with the platform's namespaces.
        prefix: of the environment's namespaces.

    Headless Services have no entry.
    """
    services = list(services)
    addresses = {}
    for service in services:
        address = (service.get("spec") or {}).get("clusterIP")
        if address and address != "None":
            addresses[_key(service)] = address
    names: dict[str, list[str]] = {}
    for service in services:
        target = _key(service)
        external = _SERVICE_NAME.fullmatch(str((service.get("spec") or {}).get("externalName") or ""))
        if external:
            target = (platform_namespace(prefix, external["namespace"]), external["service"])
        if target in addresses:
            namespace, name = _key(service)
            base = f"{name}.{namespace}"
            names.setdefault(addresses[target], []).extend([f"{base}.svc", base, f"{base}.svc.cluster.local"])
    return [{"ip": address, "hostnames": sorted(found)} for address, found in sorted(names.items())]


def _key(service: Manifest) -> tuple[str, str]:
    return service["metadata"]["namespace"], service["metadata"]["name"]


def _unscope(manifest: Manifest, prefix: str, kind: str) -> None:
    for section in ("metadata", "involvedObject"):
        found = manifest.get(section)
        if isinstance(found, dict) and found.get("namespace"):
            found["namespace"] = platform_namespace(prefix, found["namespace"])
    if kind == "Namespace" and isinstance(manifest.get("metadata"), dict):
        manifest["metadata"]["name"] = platform_namespace(prefix, str(manifest["metadata"].get("name") or ""))


def _scope_service(spec: Manifest, prefix: str) -> None:
    """Drop ports on nodes and load balancers: both belong to the whole cluster, and may cost money."""
    if spec.get("type") in _NOT_PUBLISHED:
        spec["type"] = "ClusterIP"
        for field in ("externalTrafficPolicy", "healthCheckNodePort", "allocateLoadBalancerNodePorts"):
            spec.pop(field, None)
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    external = _SERVICE_NAME.fullmatch(str(spec.get("externalName") or ""))
    if external:
        namespace = cluster_namespace(prefix, external["namespace"])
        spec["externalName"] = f"{external['service']}.{namespace}.svc{external['domain'] or ''}"


def _scope_policy(spec: Manifest, prefix: str) -> None:
    rules = [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]
    for peer in (peer for rule in rules for peer in [*(rule.get("from") or ()), *(rule.get("to") or ())]):
        selector = peer.get("namespaceSelector") or {}
        wanted = selector.get("matchLabels") or {}
        if _NAME_LABEL in wanted:
            wanted[_NAME_LABEL] = _peer(prefix, wanted[_NAME_LABEL])
        for expression in selector.get("matchExpressions") or ():
            if expression.get("key") == _NAME_LABEL:
                expression["values"] = [_peer(prefix, value) for value in expression.get("values") or ()]


def _peer(prefix: str, namespace: str) -> str:
    return namespace if namespace in _CLUSTERS_OWN else cluster_namespace(prefix, namespace)
