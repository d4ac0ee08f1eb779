"""Explain why a pod does not start: problems that waiting does not solve."""

from __future__ import annotations

import dataclasses
from typing import Any

from harness.kube.manifest import Manifest
from harness.kube.node_messages import find_pull_problem
from harness.wire.pulls import PullProblem, read_problem
from harness.wire.reasons import GIVEN_UP, PULL_FAILED


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Why a pod does not run.

    Attributes:
        container: its name.
        image: of the container.
        reason: of Kubernetes.
        message: of the node.
        published: why the pull failed, on nodes that publish it; others only have the message.
    """

    container: str
    image: str
    reason: str
    message: str
    published: PullProblem | None = None

    @property
    def pull_failed(self) -> bool:
        """The image could not be had."""
        return self.reason in PULL_FAILED

    @property
    def unauthorized(self) -> bool:
        """The image could not be pulled because its registry needs another login."""
        return self._pull_problem is PullProblem.UNAUTHORIZED

    @property
    def unreached(self) -> bool:
        """The image could not be had because its registry does not answer."""
        return self._pull_problem is PullProblem.UNREACHED

    @property
    def _pull_problem(self) -> PullProblem | None:
        return (self.published or find_pull_problem(self.message)) if self.pull_failed else None


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
            published = read_problem((pod.get("metadata") or {}).get("annotations") or {}, entry["name"])
            return Trouble(entry["name"], image, waiting["reason"], waiting.get("message", ""), published)
    return None


def _image(pod: Manifest, container: str) -> str:
    spec = pod.get("spec") or {}
    for entry in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        if entry["name"] == container:
            return str(entry.get("image", ""))
    return ""
