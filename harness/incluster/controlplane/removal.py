"""Delete objects, kind by kind, together with what depends on them."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

from harness.incluster.controlplane.claims import Claims
from harness.incluster.controlplane.kubelet import Kubelet
from harness.incluster.controlplane.node import Node
from harness.incluster.controlplane.store import Change, Store, key_of, now
from harness.kube import Manifest

# a namespace that goes does not wait longer than this for containers that ignore SIGTERM
_NAMESPACE_GRACE_S = 3


class Removal:
    """Deletes objects with their dependents and contents."""

    def __init__(self, node: Node, kubelet: Kubelet, claims: Claims) -> None:
        self._node = node
        self._store: Store = node.store
        self._kubelet = kubelet
        self._claims = claims
        self._store.listen(self._on_change)

    def delete(self, manifest: Manifest, grace_s: int | None = None) -> Manifest:
        """Delete an object, and return the API's answer."""
        kind, key = manifest["kind"], key_of(manifest)
        if kind == "Pod":
            self._kubelet.delete(manifest, grace_s)
            return self._store.find(*key) or manifest
        if kind == "Namespace":

            def mark(copy: Manifest) -> None:
                copy["metadata"].setdefault("deletionTimestamp", now())
                copy["status"] = {"phase": "Terminating"}

            changed = self._store.edit(key, mark) or manifest
            self._empty(manifest["metadata"]["name"])
            return changed
        if kind == "PersistentVolumeClaim" and self._in_use(manifest):

            def keep(copy: Manifest) -> None:
                copy["metadata"].setdefault("deletionTimestamp", now())

            # like the protection finalizer of Kubernetes: it goes with the last pod that uses it
            return self._store.edit(key, keep) or manifest
        removed = self._store.remove(key) or manifest
        if kind == "PersistentVolumeClaim":
            self._release(removed)
        return removed

    def _on_change(self, change: Change) -> None:
        if change.what != "DELETED":
            return
        gone = change.after
        for dependant in self._store.owned_by(gone["metadata"]["uid"]):
            if not dependant["metadata"].get("deletionTimestamp"):
                self.delete(dependant)
        namespace = gone["metadata"].get("namespace")
        if gone["kind"] == "Pod":
            for claim in self._store.list("PersistentVolumeClaim", namespace):
                if claim["metadata"].get("deletionTimestamp") and not self._in_use(claim):
                    self.delete(claim)
        home = self._store.find("Namespace", None, namespace) if namespace else None
        if home and home["metadata"].get("deletionTimestamp"):
            self._close(home)

    def _empty(self, namespace: str) -> None:
        """Begin to delete all objects of a namespace."""
        everything = list(self._store.in_namespace(namespace))
        # owners first, so that no controller replaces a removed pod
        for manifest in sorted(everything, key=lambda entry: entry["kind"] == "Pod"):
            if self._store.find(*key_of(manifest)) and not manifest["metadata"].get("deletionTimestamp"):
                self.delete(manifest, _NAMESPACE_GRACE_S if manifest["kind"] == "Pod" else None)
        home = self._store.find("Namespace", None, namespace)
        if home:
            self._close(home)

    def _close(self, home: Manifest) -> None:
        name = home["metadata"]["name"]
        left = [entry for entry in self._store.in_namespace(name) if entry["kind"] != "Event"]
        if left or self._store.find("Namespace", None, name) is None:
            return
        self._store.remove(key_of(home))
        for event in self._store.in_namespace(name):
            self._store.remove(key_of(event))

    def _in_use(self, claim: Manifest) -> bool:
        name = claim["metadata"]["name"]
        return any(
            (volume.get("persistentVolumeClaim") or {}).get("claimName") == name
            for pod in self._store.list("Pod", claim["metadata"]["namespace"])
            if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
            for volume in pod["spec"].get("volumes") or ()
        )

    def _release(self, claim: Manifest) -> None:
        volume = self._store.find("PersistentVolume", None, claim["spec"].get("volumeName") or "")
        if volume:

            def released(copy: Manifest) -> None:
                copy["status"] = {"phase": "Released"}

            self._store.edit(key_of(volume), released)
            return
        path = self._claims.own_path(claim)
        if path.is_dir():
            # out of the way at once: a claim of the same name may be made while the old files are being removed
            trash = path.with_name(f".{path.name}.{claim['metadata']['uid']}")
            path.rename(trash)
            work: Any = asyncio.to_thread(shutil.rmtree, trash, True)
            self._node.spawn(work, f"removal of claim {claim['metadata']['name']}")
