"""Persistent volume claims: a folder each, found by the rules of Kubernetes (services 16).

A claim is provisioned dynamically (a folder of its own, removed with it) when it names no class or a class with
a provisioner, and bound to a static volume of the node's file system when there is one for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.incluster.controlplane.errors import NotReadyError
from harness.incluster.controlplane.store import Store, key_of
from harness.kube import Manifest

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

    def host_path(self, namespace: str, path: str) -> tuple[Path, str]:
        """Return the place of a pod's ``hostPath``: a root, and the path below it.

        Every namespace has its own root, so a project cannot reach the files of another one.
        """
        return make_own_folder(self._state / "hostpaths" / namespace), path

    def own_path(self, claim: Manifest) -> Path:
        """Return the folder of a dynamically provisioned claim."""
        metadata = claim["metadata"]
        return self._state / "claims" / str(metadata["namespace"]) / str(metadata["name"])

    def place(self, claim: Manifest) -> tuple[Path, str]:
        """Return the place of the files of a bound claim: a root, and the path below it.

        Volumes of the node's file system have one root: as on a node, they share their files by their paths.

        Raises:
            NotReadyError: the volume that it names belongs to another claim.
        """
        volume = self._store.find("PersistentVolume", None, claim["spec"].get("volumeName") or "")
        if volume is None:
            return make_own_folder(self.own_path(claim), 0o777), ""
        if not _is_for(volume, claim):
            raise NotReadyError(f'volume "{volume["metadata"]["name"]}" already bound to a different claim')
        return make_own_folder(self._state / "node"), _source(volume)

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

            def bind_claim(copy: Manifest) -> None:
                copy["spec"]["claimRef"] = {"kind": "PersistentVolumeClaim", **reference}
                copy["status"] = {"phase": "Bound"}

            self._store.edit(key_of(volume), bind_claim)

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
        """Return the static volume for a claim, or ``None`` for a new folder; or why there is neither."""
        spec = claim["spec"]
        if wanted := spec.get("volumeName"):
            volume = self._store.find("PersistentVolume", None, wanted)
            if volume and volume["spec"].get("claimRef") and not _is_for(volume, claim):
                return None, f'volume "{wanted}" already bound to a different claim'
            return volume, "" if volume else f'persistentvolume "{wanted}" not found'
        storage_class = spec.get("storageClassName")
        for volume in self._store.list("PersistentVolume"):
            reference = volume["spec"].get("claimRef")
            if reference:
                if _is_for(volume, claim):
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


def _is_for(volume: Manifest, claim: Manifest) -> bool:
    """Return whether a volume is reserved for a claim; one with the uid of another claim is that one's."""
    reference = volume["spec"].get("claimRef") or {}
    metadata = claim["metadata"]
    return all(reference.get(field) == metadata[field] for field in ("namespace", "name")) and (
        reference.get("uid") in (None, "", metadata["uid"])
    )


def _source(volume: dict[str, Any]) -> str:
    spec = volume["spec"]
    return str((spec.get("hostPath") or spec.get("local") or {}).get("path") or "")


def make_own_folder(folder: Path, mode: int = 0o755) -> Path:
    """Make a folder below the control plane's own, where no pod has been."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        # mkdir's own mode is subject to the umask
        folder.chmod(mode)
    return folder
