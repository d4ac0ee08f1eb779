"""The environment's API as the host sees it: what it takes to work in a new namespace comes with the namespace."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness.cluster.context import preflight, rights
from harness.common.polling import Polling
from harness.errors import EnvironmentError_
from harness.kube import KubeApi, Manifest, ScopedApi, scoping
from harness.kube.kubeconfig import Access
from harness.kube.scoped import SCOPE
from harness.wire.names import SERVICES_NAMESPACE

_ACCOUNT = "kaapana-kube-admin"
_RIGHTS_S = 30.0
_POLL_S = 0.05
_PULL_SECRET = "registry-secret"


class ContextApi(ScopedApi):
    """One environment on the cluster of a context. Made by :meth:`open`.

    Attributes:
        raw: the same cluster without the scope of the environment.
        pull_config: what nodes authenticate to the registry with, in the form of Docker's configuration.
    """

    raw: KubeApi
    pull_config: Mapping[str, Any]
    _annotations: Mapping[str, str]

    @classmethod
    def open(
        cls,
        access: Access,
        environment_id: str,
        *,
        reconnect_s: float,
        annotations: Mapping[str, str],
        storage_class: str = "",
        pull_config: Mapping[str, Any],
    ) -> ContextApi:
        """Return the API of an environment.

        Args:
            access: how the API server is reached.
            environment_id: decides the prefix of the namespaces.
            reconnect_s: for how long a watch bears that the server is away.
            annotations: of the namespaces: whose they are.
            storage_class: of claims that name none; empty: the cluster's default.
            pull_config: see above.
        """
        api = cls.of(access, reconnect_s=reconnect_s)
        assert isinstance(api, ContextApi)
        api.prefix = scoping.prefix_of(environment_id)
        api.storage_class = storage_class
        api.pull_config = pull_config
        api.raw = KubeApi.of(access, reconnect_s=reconnect_s)
        api._annotations = annotations
        api._lock = threading.Lock()
        api._user = ""
        return api

    _lock: threading.Lock
    _user: str

    def create(self, manifest: Manifest) -> Manifest:
        """As of any cluster; of a namespace also the right to work in it."""
        if manifest.get("kind") != "Namespace":
            return super().create(self._with_pull_config(manifest))
        return self._undisturbed(manifest, super().create)

    def apply(self, manifest: Manifest, *, field_manager: str = "kaapana-harness") -> Manifest:
        """As of any cluster; of a namespace also the right to work in it."""
        if manifest.get("kind") != "Namespace":
            return super().apply(self._with_pull_config(manifest), field_manager=field_manager)
        return self._undisturbed(manifest, super().apply)

    def delete(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        *,
        grace_period_s: int | None = None,
        api_version: str = "",
    ) -> None:
        """As of any cluster."""
        super().delete(kind, namespace, name, grace_period_s=grace_period_s, api_version=api_version)
        if kind == "Namespace":
            self.note_namespaces(removed=[name])

    def note_images(self, images: Mapping[str, str], withdrawn: Iterable[str] = ()) -> None:
        """Note under which references the nodes get images, for all who make pods."""
        with self._lock:
            known = self.scope()
            kept = {name: to for name, to in known["images"].items() if name not in set(withdrawn)}
            self._note(known["namespaces"], {**kept, **images})

    def note_namespaces(self, added: Iterable[str] = (), removed: Iterable[str] = ()) -> None:
        """Note which namespaces the environment has, for its pods, which may not list them."""
        with self._lock:
            known = self.scope()
            gone = set(removed)
            names = [name for name in dict.fromkeys([*known["namespaces"], *added]) if name not in gone]
            if names != known["namespaces"]:
                self._note(names, known["images"])

    def _note(self, namespaces: list[str], images: Mapping[str, str]) -> None:
        data = {"namespaces": json.dumps(namespaces), "images": json.dumps(images)}
        metadata = {"name": SCOPE, "namespace": SERVICES_NAMESPACE}
        super().apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    def _undisturbed(self, manifest: Manifest, send: Any) -> Manifest:
        # in a thread, because an interrupt must not cut off a request that creates a namespace: the cluster would go
        # on with it after everything has been removed. Leaving the block waits for its end.
        with ThreadPoolExecutor(1) as undisturbed:
            made: Manifest = undisturbed.submit(send, self._owned(manifest)).result()
        self._admit(manifest["metadata"]["name"])
        return made

    def _owned(self, manifest: Manifest) -> Manifest:
        metadata = manifest["metadata"]
        annotations = {**(metadata.get("annotations") or {}), **self._annotations}
        # what a cluster demands of pods by default may be more than the platform's pods do; this is what they need
        labels = {**(metadata.get("labels") or {}), "pod-security.kubernetes.io/enforce": "baseline"}
        return {**manifest, "metadata": {**metadata, "annotations": annotations, "labels": labels}}

    def _admit(self, namespace: str) -> None:
        """Bind the role of namespaces, and wait until that has become known."""
        self._user = self._user or preflight.user_of(self.raw)
        account = {"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": SERVICES_NAMESPACE}
        super().apply(rights.binding(namespace, self._user, account))
        wanted, where = rights.Right("create", "", "pods"), scoping.physical(self.prefix, namespace)
        # authorizers learn of a binding a moment after it exists, and tell nobody
        polling = Polling(timeout_s=_RIGHTS_S, pause_s=_POLL_S)
        while not preflight.may(self.raw, wanted, where):
            if not polling.again():
                raise EnvironmentError_(
                    f"the right to work in {where} did not arrive within {_RIGHTS_S:g} s",
                    last_seen=f"{wanted}, by the RoleBinding {rights.NAMESPACE_ROLE}",
                    fix="is another authorizer than RBAC in the way? ask the cluster's admin",
                )
        self.note_namespaces(added=[namespace])

    def _with_pull_config(self, manifest: Manifest) -> Manifest:
        """Fill in the platform's pull secret: here it is an empty form, on the cluster it has to open the registry."""
        if manifest.get("kind") != "Secret" or manifest["metadata"].get("name") != _PULL_SECRET:
            return manifest
        rest = {key: value for key, value in manifest.items() if key not in {"data", "stringData"}}
        return {**rest, "stringData": {".dockerconfigjson": json.dumps(self.pull_config)}}
