"""All pods of the node: one worker each, and the output of their containers."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, Mapping

from harness.incluster.controlplane.errors import bad_request
from harness.incluster.controlplane.node import Node
from harness.incluster.controlplane.pod import PodWorker
from harness.incluster.controlplane.pod_container import PodContainer
from harness.incluster.controlplane.store import Change, Key, key_of, now
from harness.kube import Manifest

_NUMBER = re.compile("[0-9]{1,9}")


class Kubelet:
    """Starts a worker for every pod that appears in the store."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.workers: dict[Key, PodWorker] = {}
        self._halted = False
        node.store.listen(self._on_change)

    def _on_change(self, change: Change) -> None:
        if change.after["kind"] != "Pod":
            return
        key = key_of(change.after)
        if change.what == "ADDED" and not self._halted:
            self.workers[key] = PodWorker(self._node, change.after)
        elif change.what == "DELETED":
            self.workers.pop(key, None)

    async def halt(self) -> None:
        """Start and restart nothing any more: everything is about to be removed."""
        self._halted = True
        await asyncio.gather(*(worker.halt() for worker in list(self.workers.values())))

    def delete(self, pod: Manifest, grace_s: int | None = None) -> asyncio.Future[object]:
        """Mark a pod as being deleted and begin with it."""
        key = key_of(pod)
        if grace_s is None:
            grace_s = int(pod["spec"].get("terminationGracePeriodSeconds", 30))
        seconds = max(grace_s, 0)

        def mark(copy: Manifest) -> None:
            copy["metadata"].setdefault("deletionTimestamp", now())
            copy["metadata"]["deletionGracePeriodSeconds"] = seconds

        self._node.store.edit(key, mark)
        return self.workers[key].delete(seconds)

    def log(self, pod: Manifest, query: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Return the output of a container of a pod.

        Args:
            pod: the pod.
            query: ``container``, ``follow``, ``tailLines``, ``timestamps``, ``sinceSeconds`` as in Kubernetes.

        Raises:
            StatusError: 400, the container is not known, not chosen or not created yet.
        """
        container = self._choose(pod, query.get("container"))
        if not container.id:
            reason = (container.state.get("waiting") or {}).get("reason", "unknown")
            raise bad_request(
                f'container "{container.name}" in pod "{pod["metadata"]["name"]}" is waiting to start: {reason}'
            )
        if query.get("previous") == "true":
            raise bad_request("the output of previous containers is not kept on the docker cluster")
        wanted = {"follow": "true"} if query.get("follow") == "true" else {}
        for parameter in ("tailLines", "sinceSeconds"):
            if not _NUMBER.fullmatch(query.get(parameter) or "0"):
                raise bad_request(f"invalid {parameter}: {query[parameter]!r}")
        if query.get("tailLines"):
            wanted["tail"] = query["tailLines"]
        if query.get("timestamps") == "true":
            wanted["timestamps"] = "true"
        if query.get("sinceSeconds"):
            wanted["since"] = str(int(time.time() - float(query["sinceSeconds"])))
        return self._output(container.id, wanted)

    async def _output(self, container: str, query: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        async with contextlib.aclosing(self._node.engine.logs(container, query)) as pieces:
            async for piece in pieces:
                yield piece

    def _choose(self, pod: Manifest, name: str | None) -> PodContainer:
        worker = self.workers[key_of(pod)]
        containers = [*worker.containers, *worker.init]
        names = ", ".join(container.name for container in containers)
        if not name:
            if len(worker.containers) == 1:
                return worker.containers[0]
            raise bad_request(f"a container name must be specified, choose one of: [{names}]")
        for container in containers:
            if container.name == name:
                return container
        raise bad_request(f"container {name} is not valid for pod {pod['metadata']['name']}; it has: {names}")
