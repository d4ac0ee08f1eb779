"""Explain why a pod does not start: problems that waiting does not solve."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from harness.kube.transport import Manifest
from harness.wire.reasons import GIVEN_UP, PULL_FAILED

# messages of engines, containerd and registries about a missing or wrong login, and about a dead host: the
# only words of theirs that are read
_UNAUTHORIZED = re.compile(
    "unauthorized|authorization failed|no basic auth credentials|authentication required", re.IGNORECASE
)
_UNREACHED = re.compile(r"connection refused|no route to host|network is unreachable|i/o timeout|no such host")


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Why a pod does not run: a Kubernetes reason, its message, and the image of the container."""

    container: str
    image: str
    reason: str
    message: str

    @property
    def pull_failed(self) -> bool:
        """The image could not be had."""
        return self.reason in PULL_FAILED

    @property
    def unauthorized(self) -> bool:
        """The image could not be pulled because its registry needs another login."""
        return self.pull_failed and is_unauthorized(self.message)

    @property
    def unreached(self) -> bool:
        """The image could not be had because its registry does not answer."""
        return self.pull_failed and bool(_UNREACHED.search(self.message))


def is_unauthorized(message: str) -> bool:
    """Return whether a node or an engine says that a registry refused it for want of a login."""
    return bool(_UNAUTHORIZED.search(message))


def statuses_of(pod: Manifest) -> list[dict[str, Any]]:
    """Return the states of all containers, init containers first."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def trouble_of(pod: Manifest) -> Trouble | None:
    """Return the first container with a problem that waiting does not solve."""
    for entry in statuses_of(pod):
        waiting = (entry.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in GIVEN_UP:
            image = entry.get("image") or _image(pod, entry["name"])
            return Trouble(entry["name"], image, waiting["reason"], waiting.get("message", ""))
    return None


def _image(pod: Manifest, container: str) -> str:
    spec = pod.get("spec") or {}
    for entry in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        if entry["name"] == container:
            return str(entry.get("image", ""))
    return ""
