"""The kind ``docker``: Kubernetes' API by a control plane of ours, pods as containers of the local engine."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from harness.cluster import ledger
from harness.cluster.providers import FoundEnvironment, Provider
from harness.common.progress import OnProgress, quiet
from harness.kube import ApiError, KubeApi
from harness.wire import control_plane_routes
from harness.wire.names import DOCKER_NODE

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.base import Cluster
    from harness.engine.leftovers import Leftover
    from harness.settings.clusters import ClusterSettings

_ANSWER_S = 10.0


class DockerProvider(Provider):
    """See :class:`harness.cluster.providers.Provider`."""

    form = "docker"
    only_node = DOCKER_NODE

    def create(
        self,
        settings: ClusterSettings,
        environment_id: str,
        spec: str,
        *,
        images: Iterable[str] = (),
        on_progress: OnProgress = quiet,
    ) -> Cluster:
        """Start a control plane; it gets images by their ids, once they are provided."""
        from harness.cluster.docker.launcher import DockerCluster

        return DockerCluster.create(settings, environment_id)

    def adopt(self, settings: ClusterSettings, environment_id: str) -> Cluster | None:
        """See the base class."""
        from harness.cluster.docker.launcher import DockerCluster

        return DockerCluster.adopt(settings, environment_id)

    def is_alive(self, state: Path, entry: ledger.Entry) -> bool:
        """Return whether its control plane answers, and is not another one at the same port."""
        if not entry.url:
            return False
        try:
            ready = KubeApi(entry.url, token=entry.token).request(
                "GET", control_plane_routes.READY, timeout_s=_ANSWER_S
            )
        except ApiError:
            return False
        return bool(ready.get("environment") == entry.id)

    def remove(self, state: Path, entry: ledger.Entry) -> None:
        """Remove it through its control plane if that answers, otherwise by its labels."""
        if not entry.url:
            _remove_labelled(entry.id)
            return
        from harness.cluster.docker import control_plane
        from harness.engine import connect

        with contextlib.closing(connect()) as client:
            control_plane.remove_environment(KubeApi(entry.url, token=entry.token), client, entry.id)

    def find(self, state: Path) -> list[FoundEnvironment]:
        """Return everything with the labels of an environment, also of incomplete clusters."""
        return [
            FoundEnvironment(
                found.environment,
                functools.partial(_is_in_use, found),
                functools.partial(_remove_labelled, found.environment),
            )
            for found in _find_labelled()
        ]

    def images_in_use(self, state: Path) -> Mapping[str, Collection[str] | None]:
        """Ask each control plane, also of clusters of another ledger: pods run from the engine's own images."""
        return {
            found.environment: _find_images(state, found.environment)
            for found in _find_labelled()
            if found.control_plane
        }

    def try_machine(self, image: str) -> None:
        """See :func:`harness.engine.trial.try_engine`."""
        from harness.engine.trial import try_engine

        try_engine(image)


def _find_labelled() -> Collection[Leftover]:
    from harness.engine import connect, leftovers

    with contextlib.closing(connect()) as client:
        return leftovers.find(client).values()


def _is_in_use(found: Leftover) -> bool:
    # a control plane that runs looks after itself, also for another user's ledger
    return found.control_plane or ledger.is_owner_alive(found.owner)


def _remove_labelled(environment_id: str) -> None:
    from harness.engine import connect, leftovers

    with contextlib.closing(connect()) as client:
        leftovers.remove(client, environment_id)


def _find_images(state: Path, environment_id: str) -> Collection[str] | None:
    entry = ledger.find(state, environment_id)
    if entry is None or not entry.url:
        return None
    try:
        images = KubeApi(entry.url, token=entry.token).request(
            "GET", control_plane_routes.NODE_IMAGES, timeout_s=_ANSWER_S
        )
    except ApiError:
        return None
    return set(images.values())


PROVIDER = DockerProvider()
