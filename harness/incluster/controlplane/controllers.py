"""Controllers of Deployments, Jobs, claims and Services."""

from __future__ import annotations

import asyncio
import copy
import datetime
import hashlib
import json
from typing import Any

from harness.incluster.controlplane.admission import admit, suffix
from harness.incluster.controlplane.claims import Claims
from harness.incluster.controlplane.errors import StatusError, UntranslatableError
from harness.incluster.controlplane.kubelet import Kubelet
from harness.incluster.controlplane.networks import Networks
from harness.incluster.controlplane.node import LOG, Node
from harness.incluster.controlplane.pod_container import merge_conditions
from harness.incluster.controlplane.removal import Removal
from harness.incluster.controlplane.store import Change, Key, Store, key_of, now
from harness.kube import Manifest
from harness.kube.kinds import kind_named

_HASH = "pod-template-hash"
_ENDED = ("Succeeded", "Failed")
# seconds until a Deployment replaces a pod that has failed for good, and a Job its first failed one
_REPLACE_S = 5.0
_RETRY_S = 1.0
_RETRY_MOST_S = 60.0


class Controllers:
    """Reacts to changes in the store, one object after the other."""

    def __init__(self, node: Node, kubelet: Kubelet, networks: Networks, claims: Claims, removal: Removal) -> None:
        self._node = node
        self._store: Store = node.store
        self._kubelet = kubelet
        self._networks = networks
        self._claims = claims
        self._removal = removal
        self._due: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._store.listen(self._react)

    def _react(self, change: Change) -> None:
        manifest, kind = change.after, change.after["kind"]
        if kind in ("Deployment", "Job"):
            self._queue(key_of(manifest))
        elif kind == "Pod":
            for owner in manifest["metadata"].get("ownerReferences") or ():
                self._queue(Key(owner["kind"], manifest["metadata"]["namespace"], owner["name"]))
        elif kind == "Service":
            before = (change.before or {}).get("spec")
            # the allocation of a node port is our own doing
            if _without_node_ports(before) != _without_node_ports(manifest["spec"]) or change.what == "DELETED":
                self._queue(key_of(manifest))
        elif kind in ("PersistentVolumeClaim", "PersistentVolume", "StorageClass") and change.what == "ADDED":
            self._queue(key_of(manifest))
        elif kind == "ServiceAccount" and change.what == "ADDED":
            # pods of it were refused until now
            for owner in self._store.list("Deployment", manifest["metadata"]["namespace"]):
                self._queue(key_of(owner))
        elif kind == "Namespace" and change.what == "ADDED":
            name = manifest["metadata"]["name"]
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
            self._store.create(account)

    def _queue(self, key: Key) -> None:
        self._due[key] = None
        self._wake.set()

    def _queue_later(self, delay_s: float, key: Key) -> None:
        asyncio.get_running_loop().call_later(delay_s, self._queue, key)

    async def run(self) -> None:
        """Reconcile objects until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            due, self._due = list(self._due), {}
            for key in due:
                try:
                    await self._reconcile(key)
                except Exception:
                    LOG.exception("controller of %s", key)

    async def _reconcile(self, key: Key) -> None:
        if key.kind == "Service":
            await self._services()
            return
        if key.kind in ("PersistentVolumeClaim", "PersistentVolume", "StorageClass"):
            for claim in self._store.list("PersistentVolumeClaim"):
                self._claims.bind(claim)
            return
        manifest = self._store.find(*key)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            return
        if key.kind == "Deployment":
            self._deployment(key, manifest)
        elif key.kind == "Job":
            self._job(key, manifest)

    # -- Services -----------------------------------------------------------------------------------------------

    async def _services(self) -> None:
        async def one(key: Key) -> None:
            worker = self._kubelet.workers.get(key)
            pod = self._store.find(*key)
            if worker is None or pod is None or pod["metadata"].get("deletionTimestamp"):
                return
            try:
                fits = await worker.replan()
            except UntranslatableError as problem:
                self._node.event(pod, "Untranslatable", str(problem), "Warning")
                return
            if not fits:
                # ports are published when a container is created: its Deployment makes a new pod
                self._removal.delete(pod)

        await asyncio.gather(*(one(key) for key in list(self._kubelet.workers)))

    # -- Deployments --------------------------------------------------------------------------------------------

    def _deployment(self, key: Key, deployment: Manifest) -> None:
        spec, uid = deployment["spec"], deployment["metadata"]["uid"]
        mark = hashlib.sha256(json.dumps(spec["template"], sort_keys=True).encode()).hexdigest()[:10]
        pods = list(self._store.owned_by(uid))
        fresh = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get(_HASH) == mark]
        live = [pod for pod in fresh if not pod["metadata"].get("deletionTimestamp")]
        stale = [pod for pod in pods if pod not in fresh]
        failed = [pod for pod in live if pod["status"].get("phase") in _ENDED]
        for pod in stale:
            if not pod["metadata"].get("deletionTimestamp"):
                self._removal.delete(pod)
        for pod in failed:
            self._node.spawn(self._delete_later(pod, _REPLACE_S), "replacement of a pod")
        problem = ""
        if not stale:
            for pod in live[spec["replicas"] :]:
                self._removal.delete(pod)
            for _ in range(spec["replicas"] - len(live)):
                name = f"{key.name}-{mark}-{suffix()}"
                problem = self._create_pod(deployment, name, {_HASH: mark})
        ready = [pod for pod in live if _is_ready(pod)]
        available = len(ready) >= spec["replicas"]
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(live),
            "updatedReplicas": len(live),
            "readyReplicas": len(ready),
            "availableReplicas": len(ready),
            "unavailableReplicas": max(0, spec["replicas"] - len(ready)),
            "conditions": merge_conditions(
                (deployment.get("status") or {}).get("conditions") or (),
                {
                    "Available": (
                        available,
                        "MinimumReplicasAvailable" if available else "MinimumReplicasUnavailable",
                        "",
                    ),
                    "ReplicaFailure": (bool(problem), "FailedCreate" if problem else "", problem),
                },
            ),
        }
        self._store.edit(key, lambda copy: copy.update(status=status))

    # -- Jobs -----------------------------------------------------------------------------------------------------

    def _job(self, key: Key, job: Manifest) -> None:
        spec, status = job["spec"], copy.deepcopy(job.get("status") or {})
        if any(entry["status"] == "True" for entry in status.get("conditions") or ()):
            return
        pods = list(self._store.owned_by(job["metadata"]["uid"]))
        phases = [pod["status"].get("phase") for pod in pods]
        succeeded, failed = phases.count("Succeeded"), phases.count("Failed")
        active = [pod for pod in pods if pod["status"].get("phase") not in _ENDED]
        restarts = sum(
            entry["restartCount"] for pod in active for entry in pod["status"].get("containerStatuses") or ()
        )
        status.setdefault("startTime", now())
        age = _seconds_since(status["startTime"])
        limit = spec.get("activeDeadlineSeconds")
        ended: tuple[str, str, str] | None = None
        if succeeded >= spec["completions"]:
            ended = ("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
            status["completionTime"] = now()
        elif failed + restarts > spec["backoffLimit"]:
            ended = ("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        elif limit is not None and age >= limit:
            ended = ("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
        if ended:
            for pod in active:
                if not pod["metadata"].get("deletionTimestamp"):
                    self._removal.delete(pod)
            kind, reason, message = ended
            status["conditions"] = merge_conditions((), {kind: (True, reason, message)})
            active = []
            if spec.get("ttlSecondsAfterFinished") is not None:
                self._node.spawn(
                    self._delete_later(job, float(spec["ttlSecondsAfterFinished"])), f"expiry of {key.name}"
                )
        else:
            if limit is not None:
                self._queue_later(limit - age + 0.01, key)
            missing = min(spec["parallelism"], spec["completions"] - succeeded) - len(active)
            wait = self._job_delay(pods, failed)
            if missing > 0 and wait > 0:
                self._queue_later(wait, key)
            elif missing > 0:
                labels = {
                    "job-name": key.name,
                    "batch.kubernetes.io/job-name": key.name,
                    "controller-uid": job["metadata"]["uid"],
                    "batch.kubernetes.io/controller-uid": job["metadata"]["uid"],
                }
                for _ in range(missing):
                    if problem := self._create_pod(job, f"{key.name}-{suffix()}", labels):
                        status["conditions"] = merge_conditions((), {"Failed": (True, "FailedCreate", problem)})
                        break
                active = [pod for pod in self._store.owned_by(job["metadata"]["uid"])
                          if pod["status"].get("phase") not in _ENDED]  # fmt: skip
        status |= {
            "active": len(active),
            "succeeded": succeeded,
            "failed": failed,
            "ready": sum(map(_is_ready, active)),
        }
        self._store.edit(key, lambda copy: copy.update(status=status))

    def _job_delay(self, pods: list[Manifest], failed: int) -> float:
        """Return the seconds before the next attempt of a Job."""
        ends = [
            entry["state"]["terminated"]["finishedAt"]
            for pod in pods
            if pod["status"].get("phase") == "Failed"
            for entry in pod["status"].get("containerStatuses") or ()
            if "terminated" in entry["state"]
        ]
        if not ends:
            return 0.0
        return min(_RETRY_S * 2.0 ** min(failed - 1, 10), _RETRY_MOST_S) - _seconds_since(max(ends))

    # -- both --------------------------------------------------------------------------------------------------------

    async def _delete_later(self, manifest: Manifest, delay_s: float) -> None:
        """Delete an object after a delay, unless another one has its name by then."""
        await asyncio.sleep(delay_s)
        present = self._store.find(*key_of(manifest))
        if present and present["metadata"]["uid"] == manifest["metadata"]["uid"]:
            self._removal.delete(present)

    def _create_pod(self, owner: Manifest, name: str, labels: dict[str, str]) -> str:
        """Create a pod from the owner's template; why it was refused, or an empty text."""
        template = copy.deepcopy(owner["spec"]["template"])
        metadata: dict[str, Any] = template.get("metadata") or {}
        pod: Manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": owner["metadata"]["namespace"],
                "labels": {**(metadata.get("labels") or {}), **labels},
                "annotations": metadata.get("annotations") or {},
                "ownerReferences": [
                    {
                        "apiVersion": owner["apiVersion"],
                        "kind": owner["kind"],
                        "name": owner["metadata"]["name"],
                        "uid": owner["metadata"]["uid"],
                        "controller": True,
                        "blockOwnerDeletion": True,
                    }
                ],
            },
            "spec": template["spec"],
        }
        try:
            admit(self._store, kind_named("Pod"), pod, owner["metadata"]["namespace"])
            self._networks.plan(pod)
        except (StatusError, UntranslatableError) as problem:
            self._node.event(owner, "FailedCreate", str(problem), "Warning")
            return str(problem)
        self._store.create(pod)
        return ""


def _is_ready(pod: Manifest) -> bool:
    return any(
        entry["type"] == "Ready" and entry["status"] == "True"
        for entry in (pod.get("status") or {}).get("conditions") or ()
    )


def _seconds_since(text: str) -> float:
    time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (datetime.datetime.now(datetime.timezone.utc) - time).total_seconds()


def _without_node_ports(spec: dict[str, Any] | None) -> dict[str, Any] | None:
    if spec is None:
        return None
    ports = [{key: value for key, value in port.items() if key != "nodePort"} for port in spec.get("ports") or ()]
    return {**spec, "ports": ports}
