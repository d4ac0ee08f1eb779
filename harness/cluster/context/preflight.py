"""Report everything that a cluster lacks for an environment, each with the next step."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from harness.cluster.context import rights
from harness.errors import PlatformError
from harness.images import RegistryClient
from harness.kube import ApiError, Forbidden, KubeApi, Manifest, NotFound, quantities
from harness.settings import how_to_set

if TYPE_CHECKING:
    pass

OLDEST = (1, 30)
"""The oldest Kubernetes: from there on it judges the admission policy that belongs to the rights."""
MEMORY_BYTES = 4 << 30
CPUS = 2
PODS = 20
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_STORAGE_CLASS = how_to_set("context_storage_class")
_RIGHTS_FIX = "an admin of the cluster applies them once: `kaapana-harness context rights | kubectl apply -f -`"


@dataclasses.dataclass(frozen=True)
class Obstacle:
    """What keeps an environment from being made, and the next step."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}\n    fix: {self.fix}"


def check(api: KubeApi, context: str, *, registry: str, storage_class: str) -> list[Obstacle]:
    """Return everything that is missing; empty when an environment can be made.

    Args:
        api: the cluster, not scoped to an environment.
        context: its name, for the messages.
        registry: the one that is named for it, or nothing.
        storage_class: the one that is named for it, or nothing.

    Raises:
        PlatformError: the API server does not answer, or does not know the user; no other check is possible then.
    """
    try:
        version = api.request("GET", "/version", timeout_s=10)
        api.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=_review("SelfSubjectReview"))
    except ApiError as error:
        what = {0: "does not answer", 401: "knows no such user"}.get(error.status, "does not say who this is")
        raise PlatformError(
            f"the cluster of context {context!r} {what}",
            last_seen=str(error),
            fix=f"does `kubectl --context {context} get namespaces` work? A token may have ended, a VPN may be down",
        ) from None
    return [
        *_version(version),
        *_rights(api),
        *_role(api),
        *_storage(api, storage_class),
        *_capacity(api),
        *_registry(registry),
    ]


def require(api: KubeApi, context: str, *, registry: str, storage_class: str) -> None:
    """Raise what :func:`check` finds.

    Raises:
        PlatformError: with every obstacle and its next step.
    """
    found = check(api, context, registry=registry, storage_class=storage_class)
    if found:
        raise PlatformError(
            f"context {context!r} lacks what an environment needs: {len(found)} "
            + ("things" if len(found) > 1 else "thing"),
            last_seen="\n".join(str(obstacle) for obstacle in found),
            fix=f"take the steps above; `kaapana-harness context check {context}` looks again",
        )


def find_user(api: KubeApi) -> str:
    """Return this process's user name on the cluster."""
    body = _review("SelfSubjectReview")
    answer = api.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body)
    return str(answer["status"]["userInfo"]["username"])


def is_allowed(api: KubeApi, right: rights.Right, namespace: str = "") -> bool:
    """Return whether this process has a right, in a namespace or in all."""
    resource, _, subresource = right.resource.partition("/")
    attributes = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": subresource}
    body = _review("SelfSubjectAccessReview", "authorization.k8s.io/v1")
    body["spec"] = {"resourceAttributes": {**attributes, "name": right.name, "namespace": namespace}}
    answer = api.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=body)
    return bool((answer.get("status") or {}).get("allowed"))


def _review(kind: str, version: str = "authentication.k8s.io/v1") -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind}


def _version(answer: Manifest) -> Iterable[Obstacle]:
    numbers = tuple(int(re.sub(r"\D.*", "", str(answer.get(part) or "0")) or 0) for part in ("major", "minor"))
    if numbers < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        yield Obstacle(f"Kubernetes {answer.get('gitVersion')} is too old", f"{wanted} or newer is needed")


def _rights(api: KubeApi) -> Iterable[Obstacle]:
    wanted = [right for rule in rights.IN_CLUSTER for right in rule.rights()]
    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(lambda right: is_allowed(api, right), wanted))
    missing = [str(right) for right, given in zip(wanted, allowed, strict=True) if not given]
    if missing:
        yield Obstacle(f"rights in the cluster: {', '.join(missing)}", _RIGHTS_FIX)


def _role(api: KubeApi) -> Iterable[Obstacle]:
    name = rights.NAMESPACE_ROLE
    try:
        role = api.get("ClusterRole", None, name)
    except NotFound:
        yield Obstacle(f"the role {name} for an environment's namespaces does not exist", _RIGHTS_FIX)
    except Forbidden:
        # said above: to read it is one of the rights
        return
    else:
        missing = [str(right) for right in rights.find_lacking(role.get("rules") or [])]
        if missing:
            yield Obstacle(f"rights in an environment's namespaces (role {name}): {', '.join(missing)}", _RIGHTS_FIX)


def _storage(api: KubeApi, wanted: str) -> Iterable[Obstacle]:
    try:
        classes = {found["metadata"]["name"]: found for found in api.list("StorageClass")}
    except Forbidden:
        return
    if wanted:
        chosen = classes.get(wanted)
        what = f"there is no storage class {wanted!r}; there are: {', '.join(sorted(classes)) or 'none'}"
    else:
        defaults = [found for found in classes.values() if _is_default(found)]
        chosen = defaults[0] if defaults else None
        what = f"no storage class is the default; there are: {', '.join(sorted(classes)) or 'none'}"
    if chosen is None:
        yield Obstacle(what, f"name one with {_STORAGE_CLASS}")
    elif chosen.get("reclaimPolicy") == "Retain":
        yield Obstacle(
            f"volumes of the storage class {chosen['metadata']['name']} stay after their claims (Retain)",
            f"name one that has the reclaim policy Delete with {_STORAGE_CLASS}",
        )


def _is_default(found: Manifest) -> bool:
    return (found["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"


def _capacity(api: KubeApi) -> Iterable[Obstacle]:
    try:
        nodes = [node for node in api.list("Node") if not (node.get("spec") or {}).get("unschedulable")]
    except Forbidden:
        return
    needs = (("memory", MEMORY_BYTES, " bytes of memory"), ("cpu", CPUS, " CPU"), ("pods", PODS, " pods"))
    for resource, wanted, unit in needs:
        given = sum(quantities.round_up((node["status"].get("allocatable") or {}).get(resource, 0)) for node in nodes)
        if given < wanted:
            yield Obstacle(
                f"the {len(nodes)} nodes that take pods have room for {given}{unit}, {wanted} are needed",
                "add a node, or use another cluster",
            )


def _registry(name: str) -> Iterable[Obstacle]:
    if not name:
        yield Obstacle(
            "no registry is named from which the nodes could pull",
            f"name one that this machine may push to with {how_to_set('context_registry')}, e.g. "
            "registry.site:5000/team",
        )
        return
    with RegistryClient(name, timeout_s=10) as client:
        if not client.ready():
            yield Obstacle(
                f"the registry {name} does not answer this machine",
                "it has to speak HTTPS (HTTP on localhost only); for a private one `docker login` on this machine",
            )
