"""A Kubernetes API in memory, as far as releases and Jobs need it; pods end as a test says."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping

from harness.kube import Conflict, Manifest, NotFound


class FakeApi:
    """Objects by kind, namespace and name; ``log`` lists what happened as ``verb Kind/name``."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Manifest] = {}
        self.log: list[str] = []
        self.pod_status: Callable[[Manifest], list[Manifest]] = lambda job: [{"phase": "Succeeded"}]
        self.pod_logs: list[str] = []
        self.refuse: Callable[[Manifest], Exception | None] = lambda manifest: None

    def _key(self, manifest: Manifest) -> tuple[str, str, str]:
        metadata = manifest["metadata"]
        return manifest["kind"], metadata.get("namespace") or "", metadata["name"]

    def get(self, kind: str, namespace: str | None, name: str) -> Manifest:
        try:
            return copy.deepcopy(self.objects[kind, namespace or "", name])
        except KeyError:
            raise NotFound(404, "NotFound", f"{kind} {name} not found") from None

    def list(
        self, kind: str, namespace: str | None = None, *, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        return [
            copy.deepcopy(found)
            for key, found in self.objects.items()
            if key[0] == kind and (labels or {}).items() <= (found["metadata"].get("labels") or {}).items()
        ]

    def apply(self, manifest: Manifest, *, field_manager: str = "") -> Manifest:
        if error := self.refuse(manifest):
            raise error
        self.log.append(f"apply {manifest['kind']}/{manifest['metadata']['name']}")
        stored = copy.deepcopy(manifest)
        stored["metadata"]["uid"] = f"uid-{len(self.log)}"
        self.objects[self._key(manifest)] = stored
        return stored

    def create(self, manifest: Manifest) -> Manifest:
        if self._key(manifest) in self.objects:
            raise Conflict(409, "AlreadyExists", "already exists")
        return self.apply(manifest)

    def delete(self, kind: str, namespace: str | None, name: str, *, api_version: str = "") -> None:
        if self.objects.pop((kind, namespace or "", name), None) is None:
            raise NotFound(404, "NotFound", f"{kind} {name} not found")
        self.log.append(f"delete {kind}/{name}")

    def watch(
        self,
        kind: str,
        namespace: str | None,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> Iterator[tuple[str, Manifest]]:
        for key, job in list(self.objects.items()):
            if key[0] != "Job" or key[1] != namespace:
                continue
            owner = {"kind": "Job", "name": key[2], "uid": job["metadata"]["uid"]}
            for status in self.pod_status(job):
                yield (
                    "MODIFIED",
                    {
                        "kind": "Pod",
                        "metadata": {"name": f"{key[2]}-x", "namespace": namespace, "ownerReferences": [owner]},
                        "spec": job["spec"]["template"]["spec"],
                        "status": status,
                    },
                )

    def logs(self, namespace: str, pod: str, *, container: str | None = None, follow: bool = False) -> Iterator[str]:
        yield from self.pod_logs


def job(name: str = "dag-mean", **annotations: str) -> Manifest:
    """A Job of the namespace ``services`` with one container."""
    metadata: Manifest = {"name": name, "namespace": "services"}
    if annotations:
        metadata["annotations"] = {f"helm.sh/{key.replace('_', '-')}": value for key, value in annotations.items()}
    container = {"name": f"copy-{name}", "image": f"localhost:1/{name}:0.0.0"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"backoffLimit": 0, "template": {"spec": {"containers": [container]}}},
    }


def waiting(reason: str, message: str = "", container: str = "copy-dag-mean") -> Manifest:
    """Status of a pod whose container waits."""
    entry = {"name": container, "state": {"waiting": {"reason": reason, "message": message}}}
    return {"phase": "Pending", "containerStatuses": [entry]}


def terminated(code: int, reason: str = "Error", container: str = "copy-dag-mean") -> Manifest:
    """Status of a pod whose container ended with a failure."""
    entry = {"name": container, "state": {"terminated": {"exitCode": code, "reason": reason}}}
    return {"phase": "Failed", "containerStatuses": [entry]}
