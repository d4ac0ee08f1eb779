"""The verbs of the API on objects: create, replace, patch, delete, list."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from harness.incluster.controlplane import merge, schemas
from harness.incluster.controlplane.admission import admit, check, check_shape
from harness.incluster.controlplane.errors import StatusError, UntranslatableError, bad_request, invalid
from harness.incluster.controlplane.networks import Networks
from harness.incluster.controlplane.removal import Removal
from harness.incluster.controlplane.selectors import Predicate
from harness.incluster.controlplane.store import Key, Store, key_of
from harness.kube import Manifest
from harness.kube.kinds import Kind

# fields below ``spec`` that may be changed on an object that exists; all others are immutable
_MUTABLE = {
    "Pod": {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"},
    "Job": {"backoffLimit", "parallelism", "activeDeadlineSeconds", "ttlSecondsAfterFinished", "suspend"},
    "PersistentVolumeClaim": {"resources", "volumeName"},
}
_KEPT = (
    "uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp", "deletionGracePeriodSeconds",
)  # fmt: skip
Applied = dict[tuple[Key, str], Manifest]


class Resources:
    """What clients do with objects."""

    def __init__(self, store: Store, networks: Networks, removal: Removal) -> None:
        self._store = store
        self._networks = networks
        self._removal = removal
        self._applied: Applied = {}

    def create(self, kind: Kind, namespace: str | None, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create an object.

        Raises:
            StatusError: 400, 403, 404, 409, 422.
        """
        self._identify(kind, manifest)
        # clients cannot set the status at creation
        manifest.pop("status", None)
        admit(self._store, kind, manifest, namespace)
        if kind.name == "Pod":
            self._fits(manifest)
        if dry_run:
            return manifest
        if kind.name == "Namespace":
            manifest["status"] = {"phase": "Active"}
        created = self._store.create(manifest)
        if kind.name == "Service":
            self._check_service(created)
        return self._store.find(*key_of(created)) or created

    def _fits(self, pod: Manifest) -> None:
        try:
            self._networks.plan(pod)
        except UntranslatableError as problem:
            raise invalid("Pod", pod["metadata"]["name"], str(problem)) from None

    def _check_service(self, service: Manifest) -> None:
        """Check that a new Service fits the pods which exist; remove it again otherwise."""
        for pod in self._store.list("Pod", service["metadata"]["namespace"]):
            try:
                self._networks.plan(pod)
            except UntranslatableError as problem:
                self._store.remove(key_of(service))
                raise invalid("Service", service["metadata"]["name"], str(problem)) from None

    def _identify(self, kind: Kind, manifest: Manifest) -> None:
        if not isinstance(manifest, dict):
            raise bad_request("the body is not an object")
        if manifest.get("metadata") is None:
            manifest["metadata"] = {}
        if not isinstance(manifest["metadata"], dict):
            raise bad_request("the body's metadata is not an object")
        if manifest.setdefault("kind", kind.name) != kind.name:
            raise bad_request(f"the body is a {manifest['kind']}, the path is that of a {kind.name}")
        if manifest.setdefault("apiVersion", kind.api_version) != kind.api_version:
            raise bad_request(f"apiVersion {manifest['apiVersion']!r} is not {kind.api_version!r} of the path")

    def update(self, kind: Kind, namespace: str | None, name: str, manifest: Manifest, sub: str | None) -> Manifest:
        """Replace an existing object (PUT)."""
        self._identify(kind, manifest)
        before = self._store.get(kind.name, namespace, name)
        given = (manifest.get("metadata") or {}).get("resourceVersion")
        if given and given != before["metadata"]["resourceVersion"]:
            raise StatusError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {kind.plural} "{name}": the object has been modified;'
                " please apply your changes to the latest version and try again",
            )
        return self._put(kind, before, manifest, sub)

    def patch(
        self, kind: Kind, namespace: str | None, name: str, patch: Any, content_type: str, sub: str | None
    ) -> Manifest:
        """Change an object by a JSON merge patch or a strategic merge patch."""
        if not isinstance(patch, dict):
            raise bad_request("the patch is not an object")
        before = self._store.get(kind.name, namespace, name)
        if content_type == "application/merge-patch+json":
            after = merge.merge_patch(before, patch)
        elif content_type == "application/strategic-merge-patch+json":
            after = merge.strategic_merge_patch(before, patch)
        else:
            raise StatusError(415, "UnsupportedMediaType", f"patches of type {content_type!r} are not done here")
        return self._put(kind, before, after, sub)

    def apply(
        self, kind: Kind, namespace: str | None, name: str, wanted: Manifest, manager: str, *, dry_run: bool = False
    ) -> tuple[Manifest, bool]:
        """Apply an object server-side; return the object and whether it is new."""
        self._identify(kind, wanted)
        if wanted["metadata"].setdefault("name", name) != name:
            raise bad_request("the name of the object does not match that of the request")
        key = Key(kind.name, namespace or "", name)
        before = self._store.find(*key)
        if before is None or dry_run:
            self._applied[key, manager] = copy.deepcopy(wanted)
            return self.create(kind, namespace, wanted, dry_run=dry_run), True
        wanted["metadata"].setdefault("namespace", namespace)
        if kind.name == "Secret" and wanted.get("stringData"):
            # so that the two spellings of the same data merge
            check(self._store, kind, wanted)
        after = merge.apply_patch(before, self._applied.get((key, manager)), wanted)
        self._applied[key, manager] = copy.deepcopy(wanted)
        return self._put(kind, before, after, None), False

    def _put(self, kind: Kind, before: Manifest, after: Manifest, sub: str | None) -> Manifest:
        after = copy.deepcopy(after)
        if sub == "status":
            status = after.get("status") or {}
            try:
                schemas.check_status(kind.name, status)
            except UntranslatableError as problem:
                raise invalid(kind.name, before["metadata"]["name"], str(problem)) from None
            return self._store.replace({**copy.deepcopy(before), "status": status})
        # a patch may change everything, but not into another object
        self._identify(kind, after)
        check_shape(kind, after)
        metadata = after["metadata"]
        for field in ("name", "namespace"):
            if (
                before["metadata"].get(field)
                and metadata.setdefault(field, before["metadata"][field]) != (before["metadata"][field])
            ):
                raise bad_request(f"the {field} of the object does not match that of the request")
        for field in _KEPT:
            metadata.pop(field, None)
            if field in before["metadata"]:
                metadata[field] = before["metadata"][field]
        if before.get("status") is not None:
            after["status"] = copy.deepcopy(before["status"])
        if kind.name == "Service":
            _keep_node_ports(before, after)
        if kind.name == "PersistentVolumeClaim" and (before["spec"].get("volumeName")):
            after["spec"].setdefault("volumeName", before["spec"]["volumeName"])
        if kind.name in ("ConfigMap", "Secret") and before.get("immutable") and after.get("data") != before.get("data"):
            raise invalid(kind.name, metadata["name"], "data: Forbidden: field is immutable when `immutable` is set")
        check(self._store, kind, after)
        _immutable(kind, before, after)
        return self._store.replace(after)

    def delete(self, kind: Kind, namespace: str | None, name: str, query: Mapping[str, str], body: Any) -> Manifest:
        """Delete an object."""
        manifest = self._store.get(kind.name, namespace, name)
        options = body if isinstance(body, dict) else {}
        grace = options.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        policy = options.get("propagationPolicy", query.get("propagationPolicy"))
        if policy == "Orphan":
            raise bad_request("propagationPolicy Orphan is not done on the docker cluster")
        if kind.name == "Namespace" and name in ("default", "kube-system"):
            raise StatusError(403, "Forbidden", f'namespaces "{name}" is forbidden: this namespace may not be deleted')
        self._forget(key_of(manifest))
        return self._removal.delete(manifest, _grace(grace))

    def _forget(self, key: Key) -> None:
        for entry in [entry for entry in self._applied if entry[0] == key]:
            del self._applied[entry]

    def delete_all(self, kind: Kind, namespace: str | None, fits: Predicate) -> list[Manifest]:
        """Delete all objects of a collection."""
        chosen = [manifest for manifest in self._store.list(kind.name, namespace) if fits(manifest)]
        for manifest in chosen:
            self._forget(key_of(manifest))
            self._removal.delete(manifest)
        return chosen


def _grace(given: Any) -> int | None:
    if given is None:
        return None
    try:
        seconds = int(given)
    except (TypeError, ValueError, OverflowError):
        seconds = -1
    if not 0 <= seconds < 2**31:
        raise bad_request(f"gracePeriodSeconds {given!r} is no number of seconds")
    return seconds


def _immutable(kind: Kind, before: Manifest, after: Manifest) -> None:
    if kind.name not in _MUTABLE:
        return
    old, new = before.get("spec") or {}, after.get("spec") or {}
    for field in sorted(old.keys() | new.keys()):
        if field not in _MUTABLE[kind.name] and not _is_equal(old.get(field), new.get(field)):
            raise invalid(
                kind.name, before["metadata"]["name"], f"spec.{field}: Forbidden: the field may not be changed any more"
            )


def _is_equal(old: Any, new: Any) -> bool:
    """Return whether two objects are equal apart from defaults."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(_is_equal(old.get(key), value) for key, value in new.items() if value is not None)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_is_equal, old, new))
    return bool(old == new) or new is None


def _keep_node_ports(before: Manifest, after: Manifest) -> None:
    """Keep a node port that an update does not mention."""
    known = {port["port"]: port.get("nodePort") for port in before["spec"].get("ports") or ()}
    if (after["spec"].get("type") or "ClusterIP") != "NodePort":
        return
    for port in after["spec"].get("ports") or ():
        if not port.get("nodePort") and known.get(port.get("port")):
            port["nodePort"] = known[port["port"]]
