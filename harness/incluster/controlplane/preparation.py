"""Prepare everything that the containers of a pod need before their creation, without a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from harness.incluster.controlplane.errors import NotReadyError
from harness.incluster.controlplane.images import PullError
from harness.incluster.controlplane.node import Node
from harness.incluster.controlplane.pod_container import PodContainer
from harness.incluster.controlplane.variables import ContainerConfigError, variables_of
from harness.incluster.controlplane.volumes import VolumeSource
from harness.kube import Manifest, pullsecrets
from harness.wire import reasons

# seconds before the second attempt; doubled each time
BACK_OFF_S = 1.0
BACK_OFF_MOST_S = 60.0


class Preparation:
    """Volumes, images and variables of one pod. The status and an event name what it waits for.

    Args:
        node: the parts of the control plane.
        pod: the pod as it was created.
        publish: writes the pod's status.
        warn: writes an event: reason and message.
    """

    def __init__(
        self, node: Node, pod: Manifest, *, publish: Callable[[], None], warn: Callable[[str, str], None]
    ) -> None:
        self._node = node
        self._pod = pod
        self._publish = publish
        self._warn = warn
        self._told_of_secrets = False

    async def volumes(self, containers: Sequence[PodContainer]) -> dict[str, VolumeSource]:
        """Return the pod's volumes by name."""
        last_reported = ""
        while True:
            try:
                return self._node.volumes.sources(self._pod)
            except NotReadyError as error:
                if str(error) != last_reported:
                    last_reported = str(error)
                    self._warn("FailedMount", last_reported)
                    for container in containers:
                        container.mark_waiting("ContainerCreating", last_reported)
                    self._publish()
            await self._node.next_configuration()

    async def image(self, container: PodContainer) -> None:
        """Set ``container.image_id``."""
        delay = BACK_OFF_S
        while True:
            # each attempt uses the present secrets
            secrets = pullsecrets.examine(self._pod, container.spec["image"], self._secret)
            self._warn_of_pull_secrets([secret.name for secret in secrets if not secret.exists])
            try:
                container.image_id = await self._node.images.resolve(
                    container.spec["image"], container.spec.get("imagePullPolicy"), secrets
                )
                if error := await self._must_not_be_root(container):
                    raise PullError(reasons.CONTAINER_CONFIG, error)
                return
            except PullError as refusal:
                container.pull_problem = refusal.problem
                container.mark_waiting(refusal.reason, refusal.message)
                self._warn("Failed", f"Failed to pull image: {refusal.message}")
                self._publish()
            await asyncio.sleep(delay)
            if container.state["waiting"]["reason"] == reasons.IMAGE_PULL:
                container.mark_waiting(
                    reasons.IMAGE_BACK_OFF,
                    f"Back-off pulling image {container.spec['image']!r}: {_refusal_of(container)}",
                )
                self._publish()
            delay = min(2 * delay, BACK_OFF_MOST_S)

    def _secret(self, namespace: str, name: str) -> Manifest | None:
        return self._node.store.find("Secret", namespace, name)

    def _warn_of_pull_secrets(self, missing: Sequence[str]) -> None:
        """Record an event for missing pull secrets; the pull is tried without them, as a kubelet does."""
        if missing and not self._told_of_secrets:
            self._told_of_secrets = True
            self._warn(
                "FailedToRetrieveImagePullSecret",
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); attempting to pull the image may "
                "not succeed.",
            )

    async def _must_not_be_root(self, container: PodContainer) -> str:
        context: dict[str, Any] = {
            **(self._pod["spec"].get("securityContext") or {}),
            **(container.spec.get("securityContext") or {}),
        }
        if not context.get("runAsNonRoot"):
            return ""
        user = context.get("runAsUser")
        if user is None:
            record = await self._node.engine.call("GET", f"/images/{container.image_id}/json")
            user = (record["Config"].get("User") or "0").split(":")[0]
        if str(user) in ("0", "root"):
            return "container has runAsNonRoot and image will run as root"
        return ""

    async def variables(self, container: PodContainer, address: str) -> dict[str, str]:
        """Return the environment variables of a container; ``address`` is the pod's."""
        last_reported = ""
        while True:
            try:
                return variables_of(self._node.store, self._pod, container.spec, address)
            except ContainerConfigError as error:
                if str(error) != last_reported:
                    last_reported = str(error)
                    container.mark_waiting(reasons.CONTAINER_CONFIG, last_reported)
                    self._warn("Failed", f"Error: {last_reported}")
                    self._publish()
            await self._node.next_configuration()


def _refusal_of(container: PodContainer) -> str:
    """Return the message with which a container waits."""
    return str(container.state["waiting"].get("message", ""))
