"""The volumes of a pod: folders and files below the control plane's state, bound into its containers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.incluster.controlplane import mounts, safe_paths
from harness.incluster.controlplane.accounts import Accounts, account_of
from harness.incluster.controlplane.claims import Claims, make_own_folder
from harness.incluster.controlplane.configuration_volumes import ConfigurationVolumes
from harness.incluster.controlplane.errors import NotReadyError, StatusError
from harness.incluster.controlplane.mounts import Mount
from harness.incluster.controlplane.rbac import has_token
from harness.incluster.controlplane.store import Store
from harness.kube import Manifest
from harness.kube.quantities import round_up

_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclasses.dataclass(frozen=True)
class VolumeSource:
    """What is behind a volume.

    Attributes:
        root: a folder that no pod can change the path of, as this process sees it; ``None`` for a volume in memory.
        relative: what of it is the volume; pods may have put anything on the way.
        size: bytes of a volume in memory, 0 without a limit.
        made_up: read-only files that were written from an object.
    """

    root: Path | None
    relative: str = ""
    size: int = 0
    made_up: bool = False


@dataclasses.dataclass
class Mounts:
    """What a container gets: binds, file systems in memory by path, and the size of ``/dev/shm`` (0: not asked).

    Attributes:
        compared: the expected mounts, by target, for paths that a pod could have changed.
    """

    binds: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    compared: dict[str, Mount] = dataclasses.field(default_factory=dict)
    tmpfs: dict[str, str] = dataclasses.field(default_factory=dict)
    shm_size: int = 0


class Volumes:
    """Makes the volumes of pods.

    Args:
        store: all objects.
        claims: finds the folders of claims.
        state: the control plane's folder, as this process sees it.
        state_on_engine: the same as the engine sees it.
        memory: bytes of memory of the node.
        accounts: makes the tokens of service accounts.
    """

    def __init__(
        self, store: Store, claims: Claims, *, state: Path, state_on_engine: str, memory: int, accounts: Accounts
    ) -> None:
        self._store = store
        self._configuration = ConfigurationVolumes(store)
        self._claims = claims
        self._state = state
        self._state_on_engine = state_on_engine
        self._memory = memory
        self._accounts = accounts

    def home(self, pod: Manifest) -> Path:
        """Return the folder of a pod's own volumes."""
        return self._state / "pods" / str(pod["metadata"]["uid"])

    def sources(self, pod: Manifest) -> dict[str, VolumeSource]:
        """Make all volumes of a pod.

        Raises:
            NotReadyError: one refers to something that is not there.
        """
        return {volume["name"]: self._source(pod, volume) for volume in pod["spec"].get("volumes") or ()}

    def _source(self, pod: Manifest, volume: Mapping[str, Any]) -> VolumeSource:
        namespace, name = pod["metadata"]["namespace"], volume["name"]
        if claim_ref := volume.get("persistentVolumeClaim"):
            claim = self._store.find("PersistentVolumeClaim", namespace, claim_ref["claimName"])
            if claim is None:
                raise NotReadyError(f'persistentvolumeclaim "{claim_ref["claimName"]}" not found')
            if reason := self._claims.bind(claim):
                raise NotReadyError(f'persistentvolumeclaim "{claim_ref["claimName"]}" is not bound: {reason}')
            claim = self._store.get("PersistentVolumeClaim", namespace, claim_ref["claimName"])
            root, relative = self._claims.place(claim)
            safe_paths.make_folder(root, relative, 0o777)
            return VolumeSource(root, relative)
        if host := volume.get("hostPath"):
            root, relative = self._claims.host_path(namespace, host["path"])
            if host.get("type") in (None, "", "DirectoryOrCreate"):
                safe_paths.make_folder(root, relative, 0o755)
            elif host.get("type") == "FileOrCreate":
                safe_paths.make_file(root, relative)
            elif safe_paths.resolve(root, relative) is None:
                raise NotReadyError(f"hostPath {host['path']} of type {host['type']} does not exist on the node")
            return VolumeSource(root, relative)
        target = self.home(pod) / name
        empty = volume.get("emptyDir")
        if self._configuration.make(target, namespace, volume):
            return VolumeSource(target, made_up=True)
        if empty and empty.get("medium") == "Memory" and _users(pod, name) < 2:
            limit = empty.get("sizeLimit")
            return VolumeSource(None, size=round_up(limit) if limit else 0)
        return VolumeSource(make_own_folder(target, 0o777))

    def mounts(
        self, pod: Manifest, container: Mapping[str, Any], sources: Mapping[str, VolumeSource], memory_limit: int
    ) -> Mounts:
        """Return the mounts of one container of the pod.

        Raises:
            NotReadyError: a ``subPath`` of configuration does not exist, or a path leads over a link.
        """
        result = Mounts()
        for mount in container.get("volumeMounts") or ():
            source, target = sources[mount["name"]], mount["mountPath"]
            if source.root is None:
                size = source.size or memory_limit or self._memory // 2
                if target.rstrip("/") == "/dev/shm":
                    result.shm_size = size
                else:
                    result.tmpfs[target] = f"rw,mode=1777,size={size}"
                continue
            relative = f"{source.relative}/{mount.get('subPath') or ''}".strip("/")
            found = safe_paths.resolve(source.root, relative)
            if found is None:
                if source.made_up:
                    raise NotReadyError(f"volume {mount['name']!r} has no file {mount['subPath']!r} (subPath)")
                found = safe_paths.make_folder(source.root, relative, 0o777)
            result.binds.append(self._bind(found, target, bool(mount.get("readOnly")) or source.made_up))
            if relative and not source.made_up:
                result.compared[target] = mounts.expected_mount(mounts.OWN.read_bytes(), found)
        if has_token(self._store, pod):
            result.binds.append(self._bind(self._service_account(pod), _TOKEN_PATH, True))
        return result

    def _bind(self, path: Path, target: str, read_only: bool) -> dict[str, Any]:
        source = os.path.join(self._state_on_engine, os.path.relpath(path, self._state))
        return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}

    def _service_account(self, pod: Manifest) -> Path:
        folder = make_own_folder(self.home(pod) / ".serviceaccount")
        try:
            (folder / "token").write_text(self._accounts.token(account_of(pod)), "ascii")
        except StatusError as gone:
            raise NotReadyError(gone.message) from None
        (folder / "namespace").write_text(pod["metadata"]["namespace"], "ascii")
        return folder


def _users(pod: Manifest, volume: str) -> int:
    """Return how many containers of a pod mount a volume."""
    containers = (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
    return sum(
        any(mount["name"] == volume for mount in container.get("volumeMounts") or ()) for container in containers
    )
