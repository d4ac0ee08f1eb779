"""The host's transport to a shared cluster: it adds rights and limits to each namespace that it creates."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness.cluster.context import preflight, rights
from harness.errors import PlatformError
from harness.kube import KubeApi, Manifest, scope_names
from harness.kube.kinds import kind_named
from harness.kube.scope import Scope, ScopedTransport
from harness.kube.transport import Request, Transport
from harness.wire.names import SECRET_REGISTRY, SERVICES_NAMESPACE
from harness.wire.polling import Polling

_ACCOUNT = "kaapana-kube-admin"
_RIGHTS_S = 30.0
_POLL_S = 0.05


class ContextTransport(ScopedTransport):
    """Sends the requests of one environment from the host.

    Args:
        inner: a transport to the cluster.
        environment_id: decides the prefix of the namespaces.
        annotations: of the namespaces, with their owner.
        storage_class: for claims without one; empty: the cluster's default.
        pull_config: what nodes authenticate to the registry with, in the form of Docker's configuration.
    """

    def __init__(
        self,
        inner: Transport,
        environment_id: str,
        *,
        annotations: Mapping[str, str],
        storage_class: str = "",
        pull_config: Mapping[str, Any],
    ) -> None:
        super().__init__(inner, scope_names.prefix_of(environment_id), storage_class=storage_class)
        self.raw = KubeApi(transport=inner)
        """The same cluster without the scope of the environment."""
        self._own = KubeApi(transport=self)
        self._annotations = annotations
        self._pull_config = pull_config
        self._lock = threading.Lock()
        self._user = ""

    def send(self, request: Request) -> Manifest:
        """Send a request as a pod does; with a new namespace, also create the right to work in it."""
        body = request.body if isinstance(request.body, dict) else {}
        if body.get("kind") == "Namespace":
            return self._admit_with(dataclasses.replace(request, body=self._with_owner(body)))
        if body.get("kind") == "Secret" and body["metadata"].get("name") == SECRET_REGISTRY:
            request = dataclasses.replace(request, body=self._with_pull_config(body))
        answer = super().send(request)
        removed = _namespace_at(request.path) if request.method == "DELETE" else ""
        if removed:
            self._note_namespaces(removed=[removed])
        return answer

    def note_images(self, images: Mapping[str, str], withdrawn: Iterable[str] = ()) -> None:
        """Record the references by which nodes get images, for every process that makes pods."""
        with self._lock:
            known = self.scope()
            gone = set(withdrawn)
            kept = {name: to for name, to in known.images.items() if name not in gone}
            self._own.apply(Scope(known.namespaces, {**kept, **images}).manifest())

    def _note_namespaces(self, added: Iterable[str] = (), removed: Iterable[str] = ()) -> None:
        """Record the environment's namespaces for its pods, which may not list them."""
        with self._lock:
            known = self.scope()
            gone = set(removed)
            names = [name for name in dict.fromkeys([*known.namespaces, *added]) if name not in gone]
            if names != [*known.namespaces]:
                self._own.apply(Scope(names, known.images).manifest())

    def _admit_with(self, request: Request) -> Manifest:
        send = super().send
        # in a thread, because an interrupt must not cut off a request that creates a namespace: the cluster would go
        # on with it after everything has been removed. Leaving the block waits for its end.
        with ThreadPoolExecutor(1) as undisturbed:
            made = undisturbed.submit(send, request).result()
        self._admit(request.body["metadata"]["name"])
        return made

    def _with_owner(self, manifest: Manifest) -> Manifest:
        metadata = manifest["metadata"]
        annotations = {**(metadata.get("annotations") or {}), **self._annotations}
        # a cluster's default policy may be too strict for the platform's pods; this is what they need
        labels = {**(metadata.get("labels") or {}), "pod-security.kubernetes.io/enforce": "baseline"}
        return {**manifest, "metadata": {**metadata, "annotations": annotations, "labels": labels}}

    def _admit(self, namespace: str) -> None:
        """Bind the role of namespaces, and wait until that has become known."""
        self._user = self._user or preflight.find_user(self.raw)
        account = {"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": SERVICES_NAMESPACE}
        self._own.apply(rights.make_binding(namespace, self._user, account))
        wanted, where = rights.Right("create", "", "pods"), scope_names.cluster_namespace(self.prefix, namespace)
        # authorizers learn about a binding a moment after it exists, without any signal
        polling = Polling(timeout_s=_RIGHTS_S, pause_s=_POLL_S)
        while not preflight.is_allowed(self.raw, wanted, where):
            if not polling.again():
                raise PlatformError(
                    f"the right to work in {where} was not in force within {_RIGHTS_S:g} s",
                    last_seen=f"{wanted}, by the RoleBinding {rights.NAMESPACE_ROLE}",
                    fix="is another authorizer than RBAC in the way? ask the cluster's admin",
                )
        self._note_namespaces(added=[namespace])

    def _with_pull_config(self, manifest: Manifest) -> Manifest:
        """Fill in the platform's pull secret, which is empty, so that it opens the registry on the cluster."""
        rest = {key: value for key, value in manifest.items() if key not in {"data", "stringData"}}
        return {**rest, "stringData": {".dockerconfigjson": json.dumps(self._pull_config)}}


def _namespace_at(path: str) -> str:
    """Return the name of the namespace in a path; empty for other paths."""
    head, _, name = path.rpartition("/")
    return name if head == kind_named("Namespace").path(None) else ""
