"""Pulls that a node tried without a login, because it could not read the pod's pull secret in time.

A kubelet waits a second for a Secret that it has not seen before. On a busy machine that is not enough: it notes an
event, pulls without the login, is refused, and has the Secret at its next attempt.
"""

from __future__ import annotations

from harness.kube import events, pullsecrets
from harness.kube.client import KubeApi
from harness.kube.errors import ApiError
from harness.kube.manifest import Manifest
from harness.kube.troubles import Trouble, trouble_of
from harness.wire.pulls import SecretVerdict

_UNREAD = "FailedToRetrieveImagePullSecret"
_PULLING = "Pulling"


def find_trouble(api: KubeApi, pod: Manifest) -> Trouble | None:
    """Return :func:`trouble_of` a pod, except for a pull that the node will try again with its secret."""
    trouble = trouble_of(pod)
    return None if trouble is None or tries_again_with_secret(api, pod, trouble) else trouble


def tries_again_with_secret(api: KubeApi, pod: Manifest, trouble: Trouble) -> bool:
    """Return whether the node has yet to pull the image with the secret that fits it.

    ``False`` where the secrets or the events cannot be read.
    """
    # our control plane publishes its problems, and always has the secrets
    if not trouble.unauthorized or trouble.published:
        return False
    try:
        secrets = pullsecrets.refusal(api, pod, trouble.image).secrets
    except ApiError:
        return False
    fitting = [name for name, verdict, _ in secrets if verdict is SecretVerdict.REFUSED]
    noted = events.list_events(api, pod)
    unread = attempts = 0
    for event in noted:
        message = str(event.get("message") or "")
        if event.get("reason") == _UNREAD and any(name in message for name in fitting):
            unread += events.count(event)
        elif event.get("reason") == _PULLING and f'"{trouble.image}"' in message:
            attempts += events.count(event)
    # events may come after the status: before those of an attempt, wait for the pod's next change
    return bool(noted and fitting) and attempts <= unread
