"""Persistent volume claims: a folder each, found by the rules of Kubernetes (services 16).

A claim is provisioned dynamically (a folder of its own, removed with it) when it names no class or a class with
a provisioner, and bound to a static volume of the node's file system when there is one for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.cluster.docker.server.store import Manifest, Store, key_of

_NO_PROVISIONER = "kubernetes.io/no-provisioner"


class Claims:
    """Finds the folder of a claim.

    Args:
        store: all objects.
        state: the control plane's folder.
    """

    def __init__(self, store: Store, state: Path) -> None:
        self._store = store
        self._state = state

    def node_path(self, path: str) -> Path:
        """Where a path of the node's file system (``hostPath``) lies."""
        return self._state / "node" / path.lstrip("/")

    def own_path(self, claim: Manifest) -> Path:
        """Where a claim that is provisioned dynamically lies."""
        metadata = claim["metadata"]
        return self._state / "claims" / str(metadata["namespace"]) / str(metadata["name"])

    def path(self, claim: Manifest) -> Path:
        """The folder of a bound claim."""
        volume = self._store.find("PersistentVolume", None, claim["spec"].get("volumeName") or "")
        if volume is None:
            return self.own_path(claim)
        return self.node_path(_source(volume))

    def bind(self, claim: Manifest) -> str | None:
        """Bind a claim that is not bound; the reason when that is not possible yet."""
        if (claim.get("status") or {}).get("phase") == "Bound":
            return None
        volume, reason = self._choose(claim)
        if reason:
            self._store.edit(key_of(claim), lambda copy: copy.update(status={"phase": "Pending"}))
            return reason
        name = volume["metadata"]["name"] if volume else f"pvc-{claim['metadata']['uid']}"
        if volume:
            reference = {field: claim["metadata"][field] for field in ("namespace", "name", "uid")}

            def taken(copy: Manifest) -> None:
                copy["spec"]["claimRef"] = {"kind": "PersistentVolumeClaim", **reference}
                copy["status"] = {"phase": "Bound"}

            self._store.edit(key_of(volume), taken)

        def bound(copy: Manifest) -> None:
            copy["spec"]["volumeName"] = name
            copy["status"] = {
                "phase": "Bound",
                "accessModes": copy["spec"].get("accessModes") or [],
                "capacity": (copy["spec"].get("resources") or {}).get("requests") or {},
            }

        self._store.edit(key_of(claim), bound)
        return None

    def _choose(self, claim: Manifest) -> tuple[Manifest | None, str]:
        """The static volume for a claim, or ``None`` for a folder of its own; or why there is neither."""
        spec = claim["spec"]
        if wanted := spec.get("volumeName"):
            volume = self._store.find("PersistentVolume", None, wanted)
            return volume, "" if volume else f'persistentvolume "{wanted}" not found'
        storage_class = spec.get("storageClassName")
        for volume in self._store.list("PersistentVolume"):
            reference = volume["spec"].get("claimRef")
            if reference:
                if all(reference.get(field) == claim["metadata"][field] for field in ("namespace", "name")):
                    return volume, ""
            elif (volume["spec"].get("storageClassName") or "") == (storage_class or "") and storage_class is not None:
                return volume, ""
        if storage_class is None:
            return None, ""
        record = self._store.find("StorageClass", None, storage_class) if storage_class else None
        if record and record.get("provisioner") != _NO_PROVISIONER:
            return None, ""
        if storage_class and record is None:
            return None, f'storageclass.storage.k8s.io "{storage_class}" not found, and no volume of that class'
        return None, "no persistent volumes available for this claim and no storage class provisions one"


def _source(volume: dict[str, Any]) -> str:
    spec = volume["spec"]
    return str((spec.get("hostPath") or spec.get("local") or {}).get("path") or "")
