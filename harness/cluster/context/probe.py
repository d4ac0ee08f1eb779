"""Check with one pod that the nodes of a cluster can pull from the registry, before other pods wait for it."""

from __future__ import annotations

import contextlib

from harness.errors import PlatformError
from harness.kube import KubeApi, NotFound, events
from harness.kube.unread_secrets import find_trouble
from harness.settings import how_to_set
from harness.wire.names import SERVICES_NAMESPACE

_NAME = "kaapana-harness-probe"


def pull(api: KubeApi, image: str, *, timeout_s: float) -> None:
    """Wait until a node has pulled an image and started a container of it.

    Args:
        api: the environment's.
        image: reference as pods have it.

    Raises:
        PlatformError: no node can, or no node takes the pod; ``last_seen`` has the cluster's message.
    """
    api.create(_pod(image))
    seen = "no node has taken the pod"
    try:
        for _, pod in api.watch("Pod", SERVICES_NAMESPACE, name=_NAME, timeout_s=timeout_s):
            status = pod.get("status") or {}
            if status.get("phase") in {"Running", "Succeeded", "Failed"}:
                return
            trouble = find_trouble(api, pod)
            if trouble is not None:
                raise PlatformError(
                    f"the nodes of the cluster cannot pull from the registry: {trouble.reason} of {trouble.image}",
                    last_seen=trouble.message,
                    fix=f"name a registry that the nodes reach and trust too with {how_to_set('context_registry')}; "
                    "for a private one log this machine in (`docker login`)",
                )
            seen = "\n".join([str(status.get("phase")), *events.list_unusual(api, pod)])
        raise PlatformError(
            f"no pod started on the cluster within {timeout_s:g} s",
            last_seen=seen,
            fix=f"raise the limit with {how_to_set('start_timeout')}",
        )
    finally:
        with contextlib.suppress(NotFound):
            api.delete("Pod", SERVICES_NAMESPACE, _NAME, grace_period_s=0)


def _pod(image: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _NAME, "namespace": SERVICES_NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            # only the pull matters, not whether the image has this program
            "containers": [{"name": "main", "image": image, "command": ["true"]}],
        },
    }
