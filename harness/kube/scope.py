"""A shared cluster as one environment sees it: with the platform's namespaces, and no objects of others.

The host and the platform's own pods use the same class. A ConfigMap of the environment has their common facts:
its namespaces (a pod may not list those of a cluster), and under which names the nodes get images.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.kube import scope_names
from harness.kube.client import KubeApi
from harness.kube.errors import Forbidden, NotFound, api_error
from harness.kube.kinds import kind_named
from harness.kube.manifest import Manifest
from harness.kube.transport import HttpTransport, Request, Transport
from harness.wire.labels import LABEL_ENVIRONMENT
from harness.wire.names import ADMIN_NAMESPACE, EXTENSIONS_NAMESPACE, SERVICES_NAMESPACE

_SCOPE = "kaapana-harness-scope"
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_PLATFORM = (SERVICES_NAMESPACE, ADMIN_NAMESPACE, EXTENSIONS_NAMESPACE)


def in_cluster() -> KubeApi:
    """Return the API server of the pod that this process runs in; on a shared cluster, as its environment sees it.

    Raises:
        Unavailable: the pod has no service account, or this is not a pod.
    """
    try:
        prefix = scope_names.find_prefix(_OWN_NAMESPACE.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError):
        prefix = ""
    if not prefix:
        return KubeApi.in_cluster()
    return KubeApi(transport=ScopedTransport(HttpTransport.in_cluster(), prefix))


@dataclasses.dataclass(frozen=True)
class Scope:
    """What the environment's ConfigMap says.

    Attributes:
        namespaces: of the environment, as the platform calls them.
        images: reference in pods to the reference under which the nodes get it.
    """

    namespaces: Sequence[str] = ()
    images: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_manifest(cls, manifest: Manifest) -> Scope:
        """Read a ConfigMap."""
        data = manifest.get("data") or {}
        return cls(json.loads(data.get("namespaces") or "[]"), json.loads(data.get("images") or "{}"))

    def manifest(self) -> Manifest:
        """Return the ConfigMap."""
        data = {"namespaces": json.dumps(list(self.namespaces)), "images": json.dumps(dict(self.images))}
        metadata = {"name": _SCOPE, "namespace": SERVICES_NAMESPACE}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


class ScopedTransport:
    """Sends the requests of one environment on a shared cluster.

    Args:
        inner: a transport to the cluster.
        prefix: of the environment's namespaces on the cluster.
        storage_class: for claims without one; empty: the cluster's default.
    """

    def __init__(self, inner: Transport, prefix: str, *, storage_class: str = "") -> None:
        self._inner = inner
        self._storage_class = storage_class
        self.prefix = prefix

    @property
    def url(self) -> str:
        """See :class:`harness.kube.transport.Transport`."""
        return self._inner.url

    def with_token(self, token: str | None) -> ScopedTransport:
        """See :class:`harness.kube.transport.Transport`."""
        return ScopedTransport(self._inner.with_token(token), self.prefix, storage_class=self._storage_class)

    def scope(self) -> Scope:
        """Read the environment's ConfigMap; empty until it exists."""
        try:
            return Scope.from_manifest(
                self.send(Request("GET", kind_named("ConfigMap").path(SERVICES_NAMESPACE, _SCOPE)))
            )
        except NotFound:
            return Scope()

    def namespaces(self) -> Sequence[str]:
        """Return the environment's namespaces: it may not ask for the objects in all of the cluster."""
        return self.scope().namespaces

    def send(self, request: Request) -> Manifest:
        """See :class:`harness.kube.transport.Transport`.

        Raises:
            Invalid: the request would change what belongs to the whole cluster.
        """
        body = request.body
        if request.method != "GET" and not scope_names.is_namespaced(request.path):
            what = request.path
            if isinstance(body, dict) and body.get("kind"):
                what = f"{body['kind']} {(body.get('metadata') or {}).get('name')}"
            message = f"{what} belongs to the whole cluster; on a shared one an environment has only namespaces"
            raise api_error(422, "Invalid", message)
        if isinstance(body, dict) and body.get("kind"):
            request = dataclasses.replace(request, body=self._scope(body))
        return dict(scope_names.unscope(self._inner.send(self._translate(request)), self.prefix))

    def stream(self, request: Request, *, longest: int | None = None) -> Iterator[str]:
        """See :class:`harness.kube.transport.Transport`."""
        lines = self._inner.stream(self._translate(request), longest=longest)
        if request.query.get("watch") != "true":
            yield from lines
            return
        for line in lines:
            event = json.loads(line)
            event["object"] = scope_names.unscope(event["object"], self.prefix)
            yield json.dumps(event)

    def _translate(self, request: Request) -> Request:
        """Return a request with the namespaces as the cluster calls them; of namespaces those of the environment."""
        query = request.query
        if request.method == "GET" and request.path == kind_named("Namespace").path(None):
            own = f"{LABEL_ENVIRONMENT}={scope_names.environment_of(self.prefix)}"
            selectors = [query["labelSelector"], own] if query.get("labelSelector") else [own]
            query = {**query, "labelSelector": ",".join(selectors)}
        return dataclasses.replace(request, path=scope_names.scope_path(self.prefix, request.path), query=query)

    def _scope(self, body: Manifest) -> Manifest:
        images: Mapping[str, str] = {}
        aliases: list[Manifest] = []
        if any(True for _ in scope_names.pod_specs(body)):
            images = self.scope().images
            aliases = scope_names.host_aliases(self._services(body), self.prefix)
        return scope_names.scope_object(
            body, self.prefix, images=images, aliases=aliases, storage_class=self._storage_class
        )

    def _services(self, body: Manifest) -> list[Manifest]:
        """Return the Services that the pods of an object may call: the platform's, and those in its namespace."""
        found: list[Manifest] = []
        for namespace in dict.fromkeys([*_PLATFORM, str(body["metadata"].get("namespace") or "default")]):
            try:
                found += self.send(Request("GET", kind_named("Service").path(namespace))).get("items") or []
            except (NotFound, Forbidden):
                continue
        return found
