"""The volumes of a pod: folders and files below the control plane's state, bound into its containers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.cluster.docker.server.claims import Claims
from harness.cluster.docker.server.configuration import ConfigurationVolumes
from harness.cluster.docker.server.problems import NotReadyError
from harness.cluster.docker.server.store import Manifest, Store
from harness.kube.quantities import whole

_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclasses.dataclass(frozen=True)
class Source:
    """What lies behind a volume.

    Attributes:
        path: its folder, as this process sees it; ``None`` for one in memory.
        size: bytes of a volume in memory, 0 for no limit of its own.
        made_up: read-only files that were written from an object.
    """

    path: Path | None
    size: int = 0
    made_up: bool = False


@dataclasses.dataclass
class Mounts:
    """What a container gets: binds, file systems in memory by path, and the size of ``/dev/shm`` (0: not asked)."""

    binds: list[dict[str, Any]] = dataclasses.field(default_factory=list)
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
        pod_token: what pods with a service account authenticate with.
    """

    def __init__(
        self, store: Store, claims: Claims, *, state: Path, state_on_engine: str, memory: int, pod_token: str
    ) -> None:
        self._store = store
        self._configuration = ConfigurationVolumes(store)
        self._claims = claims
        self._state = state
        self._state_on_engine = state_on_engine
        self._memory = memory
        self._pod_token = pod_token

    def home(self, pod: Manifest) -> Path:
        """The folder of a pod's own volumes."""
        return self._state / "pods" / str(pod["metadata"]["uid"])

    def sources(self, pod: Manifest) -> dict[str, Source]:
        """Make all volumes of a pod.

        Raises:
            NotReadyError: one refers to something that is not there.
        """
        return {volume["name"]: self._source(pod, volume) for volume in pod["spec"].get("volumes") or ()}

    def _source(self, pod: Manifest, volume: Mapping[str, Any]) -> Source:
        namespace, name = pod["metadata"]["namespace"], volume["name"]
        if claim_ref := volume.get("persistentVolumeClaim"):
            claim = self._store.find("PersistentVolumeClaim", namespace, claim_ref["claimName"])
            if claim is None:
                raise NotReadyError(f'persistentvolumeclaim "{claim_ref["claimName"]}" not found')
            if reason := self._claims.bind(claim):
                raise NotReadyError(f'persistentvolumeclaim "{claim_ref["claimName"]}" is not bound: {reason}')
            claim = self._store.get("PersistentVolumeClaim", namespace, claim_ref["claimName"])
            return Source(_folder(self._claims.path(claim), 0o777))
        if host := volume.get("hostPath"):
            path = self._claims.node_path(host["path"])
            if host.get("type") in (None, "", "DirectoryOrCreate"):
                _folder(path, 0o755)
            elif host.get("type") == "FileOrCreate":
                _folder(path.parent, 0o755)
                path.touch()
            elif not path.exists():
                raise NotReadyError(f"hostPath {host['path']} of type {host['type']} does not exist on the node")
            return Source(path)
        target = self.home(pod) / name
        empty = volume.get("emptyDir")
        if self._configuration.make(target, namespace, volume):
            return Source(target, made_up=True)
        if empty and empty.get("medium") == "Memory" and _users(pod, name) < 2:
            limit = empty.get("sizeLimit")
            return Source(None, size=whole(limit) if limit else 0)
        return Source(_folder(target, 0o777))

    def mounts(
        self, pod: Manifest, container: Mapping[str, Any], sources: Mapping[str, Source], memory_limit: int
    ) -> Mounts:
        """What one container of the pod mounts.

        Raises:
            NotReadyError: a ``subPath`` of configuration does not exist.
        """
        result = Mounts()
        for mount in container.get("volumeMounts") or ():
            source, target = sources[mount["name"]], mount["mountPath"]
            if source.path is None:
                size = source.size or memory_limit or self._memory // 2
                if target.rstrip("/") == "/dev/shm":
                    result.shm_size = size
                else:
                    result.tmpfs[target] = f"rw,mode=1777,size={size}"
                continue
            path = source.path
            if mount.get("subPath"):
                path = path / mount["subPath"]
                if not path.exists():
                    if source.made_up:
                        raise NotReadyError(f"volume {mount['name']!r} has no file {mount['subPath']!r} (subPath)")
                    _folder(path, 0o777)
            result.binds.append(self._bind(path, target, bool(mount.get("readOnly")) or source.made_up))
        if (pod["spec"].get("serviceAccountName") or "default") != "default":
            result.binds.append(self._bind(self._service_account(pod), _TOKEN_PATH, True))
        return result

    def _bind(self, path: Path, target: str, read_only: bool) -> dict[str, Any]:
        source = os.path.join(self._state_on_engine, os.path.relpath(path, self._state))
        return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}

    def _service_account(self, pod: Manifest) -> Path:
        folder = _folder(self.home(pod) / ".serviceaccount", 0o755)
        (folder / "token").write_text(self._pod_token, "ascii")
        (folder / "namespace").write_text(pod["metadata"]["namespace"], "ascii")
        return folder


def _users(pod: Manifest, volume: str) -> int:
    """How many containers of a pod mount a volume."""
    containers = (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
    return sum(
        any(mount["name"] == volume for mount in container.get("volumeMounts") or ()) for container in containers
    )


def _folder(path: Path, mode: int) -> Path:
    if not path.is_dir():
        path.mkdir(parents=True)
        # mkdir's own mode is subject to the umask
        path.chmod(mode)
    return path
