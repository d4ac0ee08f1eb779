"""What an environment has on a shared cluster, and its complete removal."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from harness.cluster.context import access
from harness.cluster.kubeconfig import KubeconfigError
from harness.errors import NotRemovedError
from harness.kube import ApiError, Forbidden, KubeApi, Manifest, NotFound, scope_names
from harness.wire.labels import LABEL_ENVIRONMENT
from harness.wire.polling import Polling

if TYPE_CHECKING:
    from harness.cluster.ledger import Entry

_TIMEOUT_S = 300.0
_POLL_S = 0.3


def list_namespaces(api: KubeApi, environment_id: str) -> list[Manifest]:
    """Return the environment's namespaces on the cluster."""
    return api.list("Namespace", labels={LABEL_ENVIRONMENT: environment_id})


def list_volumes(api: KubeApi, environment_id: str) -> list[str]:
    """Return the names of the volumes that the cluster made for the environment's claims and removes with them."""
    prefix = scope_names.prefix_of(environment_id)
    return [
        volume["metadata"]["name"]
        for volume in api.list("PersistentVolume")
        if str((volume["spec"].get("claimRef") or {}).get("namespace") or "").startswith(prefix)
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
    ]


def remove(api: KubeApi, environment_id: str, *, timeout_s: float = _TIMEOUT_S) -> bool:
    """Remove all namespaces of an environment with their objects, and wait until they and their volumes are gone.

    Args:
        api: the cluster, not scoped to the environment.

    Returns:
        Whether there was anything.

    Raises:
        NotRemovedError: they are not gone in time, or the cluster does not answer; the error names what holds them.
    """
    # watches would have to follow several, and could miss a new one
    polling = Polling(timeout_s=timeout_s, pause_s=_POLL_S)
    try:
        asked: set[str] = set()
        while left := list_namespaces(api, environment_id):
            for namespace in left:
                name = namespace["metadata"]["name"]
                if name not in asked:
                    asked.add(name)
                    _remove_namespace(api, name)
            if not polling.again():
                raise NotRemovedError(
                    f"the namespaces of environment {environment_id} were not removed within {timeout_s:g} s",
                    last_seen="\n".join(_reason(namespace) for namespace in left),
                    fix="`kaapana-harness prune` tries again; a finalizer that never ends is a matter for an admin",
                )
        while asked and (held := list_volumes(api, environment_id)):
            if not polling.again():
                raise NotRemovedError(
                    f"volumes of environment {environment_id} were not removed within {timeout_s:g} s",
                    last_seen=", ".join(held),
                    fix="see the events of these volumes; the storage provisioner of the cluster removes them",
                )
    except ApiError as error:
        raise NotRemovedError(
            f"environment {environment_id} cannot be removed from {api.url}",
            last_seen=str(error),
            fix="`kaapana-harness prune` tries again when the cluster answers",
        ) from None
    return bool(asked)


def remove_entry(entry: Entry) -> None:
    """Remove the environment of an entry of the ledger.

    Raises:
        NotRemovedError: see :func:`remove`; or the kubeconfig does not have the context any more.
    """
    remove(_api(entry), entry.id)


def is_reachable(entry: Entry) -> bool:
    """Return whether the environment of an entry is there; a cluster that does not answer may come back."""
    try:
        found = list_namespaces(_api(entry), entry.id)
    except (ApiError, NotRemovedError):
        return True
    return any((namespace.get("status") or {}).get("phase") == "Active" for namespace in found)


def _api(entry: Entry) -> KubeApi:
    context = access.parse_context(entry.cluster)
    try:
        return KubeApi.from_access(access.load_context(entry.kubeconfig, context))
    except KubeconfigError as error:
        raise NotRemovedError(
            f"environment {entry.id} is on a cluster that this process cannot reach any more",
            last_seen=str(error),
            fix=f"bring the context {context!r} back into {entry.kubeconfig} and call `kaapana-harness prune`",
        ) from None


def _remove_namespace(api: KubeApi, name: str) -> None:
    with contextlib.suppress(NotFound):
        api.delete("Namespace", None, name)
    # in a namespace that goes nothing is made again, so pods need not be given their time to end
    path = f"/api/v1/namespaces/{name}/pods"
    with contextlib.suppress(NotFound, Forbidden):
        api.request("DELETE", path, query={"gracePeriodSeconds": "0"})


def _reason(namespace: Manifest) -> str:
    conditions = (namespace.get("status") or {}).get("conditions") or ()
    held = [str(entry.get("message")) for entry in conditions if entry.get("status") == "True"]
    return f"{namespace['metadata']['name']}: {'; '.join(held) or 'being removed'}"
