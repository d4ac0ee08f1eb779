"""The API of a shared cluster as one environment sees it: with the platform's namespaces, and nobody else's objects.

The host and the platform's own pods use the same class. What both have to know is in a ConfigMap of the environment:
its namespaces (a pod may not list those of a cluster), and under which names the nodes get images.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.kube import scoping
from harness.kube.client import KubeApi, Manifest
from harness.kube.errors import ApiError, Expired, Forbidden, NotFound, api_error
from harness.kube.kinds import kind_named
from harness.wire.names import ADMIN_NAMESPACE, EXTENSIONS_NAMESPACE, SERVICES_NAMESPACE

SCOPE = "kaapana-harness-scope"
"""Name of the ConfigMap, in the namespace ``services``."""
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_PLATFORM = (SERVICES_NAMESPACE, ADMIN_NAMESPACE, EXTENSIONS_NAMESPACE)
# a watch over all namespaces ends so long after another one was added, and is begun again
_ROUND_S = 2.0
_PART_S = 30.0


def in_cluster() -> KubeApi:
    """Return the API server of the pod that this process runs in; on a shared cluster, as its environment sees it.

    Raises:
        Unavailable: the pod has no service account, or this is not a pod.
    """
    try:
        prefix = scoping.prefix_in(_OWN_NAMESPACE.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError):
        prefix = ""
    if not prefix:
        return KubeApi.in_cluster()
    api = ScopedApi.in_cluster()
    assert isinstance(api, ScopedApi)
    api.prefix = prefix
    return api


class ScopedApi(KubeApi):
    """One environment on a shared cluster.

    Attributes:
        prefix: of its namespaces on the cluster.
        storage_class: of claims that name none; empty: the cluster's default.
    """

    prefix = ""
    storage_class = ""

    def scope(self) -> dict[str, Any]:
        """What the environment's ConfigMap says: ``namespaces``, a list, and ``images``, reference to reference."""
        try:
            data = self.get("ConfigMap", SERVICES_NAMESPACE, SCOPE).get("data") or {}
        except NotFound:
            data = {}
        return {name: json.loads(data.get(name) or empty) for name, empty in (("namespaces", "[]"), ("images", "{}"))}

    def list(
        self, kind: str, namespace: str | None = None, *, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """As of any cluster; without a namespace all objects of the environment."""
        if namespace is not None or not kind_named(kind).namespaced:
            labels = {**(labels or {}), **self._own_labels(kind)}
            return super().list(kind, namespace, labels=labels)
        found: list[Manifest] = []
        for name in self.scope()["namespaces"]:
            try:
                found += super().list(kind, name, labels=labels)
            except (NotFound, Forbidden):
                # it is just being removed, and the right to look into it went first
                continue
        return found

    def watch(
        self,
        kind: str,
        namespace: str | None,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        since: str = "",
        timeout_s: float,
    ) -> Iterator[tuple[str, Manifest]]:
        """As of any cluster; without a namespace the changes in all that the environment has.

        Such a watch ends early when a namespace was added: begun again it tells of that, too. It takes no ``since``.
        """
        if namespace is not None or not kind_named(kind).namespaced:
            labels = {**(labels or {}), **self._own_labels(kind)}
            yield from super().watch(kind, namespace, name=name, labels=labels, since=since, timeout_s=timeout_s)
            return
        if since:
            raise ValueError("versions of several namespaces cannot be compared")
        yield from self._watch_all(kind, labels, timeout_s)

    # -- the wire ----------------------------------------------------------------------------------------

    def _own_labels(self, kind: str) -> dict[str, str]:
        """Namespaces of others are none of this environment's business."""
        return {scoping.LABEL_ENVIRONMENT: scoping.environment_in(self.prefix)} if kind == "Namespace" else {}

    def _watch_all(
        self, kind: str, labels: Mapping[str, str] | None, timeout_s: float
    ) -> Iterator[tuple[str, Manifest]]:
        namespaces = self.scope()["namespaces"]
        changes: queue.SimpleQueue[tuple[str, Manifest] | ApiError] = queue.SimpleQueue()
        ended = threading.Event()

        def follow(namespace: str) -> None:
            since = ""
            while not ended.is_set() and (left := deadline - time.monotonic()) > 0:
                # in parts, so that a thread whose watch nobody reads any more ends soon
                part = min(left, _PART_S)
                try:
                    for change in super(ScopedApi, self).watch(
                        kind, namespace, labels=labels, since=since, timeout_s=part
                    ):
                        if ended.is_set():
                            return
                        since = str(change[1]["metadata"].get("resourceVersion") or "")
                        changes.put(change)
                except Expired:
                    since = ""
                except (NotFound, Forbidden):
                    return
                except ApiError as error:
                    changes.put(error)
                    return

        deadline = time.monotonic() + timeout_s
        for namespace in namespaces:
            threading.Thread(target=follow, args=(namespace,), daemon=True).start()
        try:
            look = time.monotonic() + _ROUND_S
            while (now := time.monotonic()) < deadline:
                try:
                    change = changes.get(timeout=max(0.0, min(look, deadline) - now))
                except queue.Empty:
                    change = None
                if isinstance(change, ApiError):
                    raise change
                if change is not None:
                    yield change
                if time.monotonic() >= look:
                    if self.scope()["namespaces"] != namespaces:
                        return
                    look = time.monotonic() + _ROUND_S
        finally:
            ended.set()

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float = 60.0,
    ) -> Manifest:
        if method != "GET" and not scoping.is_namespaced(path):
            what = f"{body.get('kind')} {body['metadata'].get('name')}" if isinstance(body, dict) else path
            message = f"{what} belongs to the whole cluster; on a shared one an environment has only namespaces"
            raise api_error(422, "Invalid", message)
        if isinstance(body, dict) and body.get("kind"):
            body = self._scoped(body, path)
        answer = super()._json(
            method,
            scoping.path_of(self.prefix, path),
            query=query,
            body=body,
            content_type=content_type,
            timeout_s=timeout_s,
        )
        return dict(scoping.unscoped(answer, self.prefix))

    def _lines(
        self, path: str, query: Mapping[str, str], *, read_timeout: float | None, longest: int | None = None
    ) -> Iterator[str]:
        path = scoping.path_of(self.prefix, path)
        lines = super()._lines(path, query, read_timeout=read_timeout, longest=longest)
        if query.get("watch") != "true":
            yield from lines
            return
        for line in lines:
            event = json.loads(line)
            event["object"] = scoping.unscoped(event["object"], self.prefix)
            yield json.dumps(event)

    def _scoped(self, body: Manifest, path: str) -> Manifest:
        images: Mapping[str, str] = {}
        aliases: list[Manifest] = []
        if any(True for _ in scoping.pod_specs(body)):
            images = self.scope()["images"]
            aliases = scoping.host_aliases(self._services(body), self.prefix)
        return scoping.scoped(body, self.prefix, images=images, aliases=aliases, storage_class=self.storage_class)

    def _services(self, body: Manifest) -> Sequence[Manifest]:
        """Return the Services that the pods of an object may call: the platform's, and those beside it."""
        found: list[Manifest] = []
        for namespace in dict.fromkeys([*_PLATFORM, str(body["metadata"].get("namespace") or "default")]):
            try:
                found += super().list("Service", namespace)
            except (NotFound, Forbidden):
                continue
        return found
