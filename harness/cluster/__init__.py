"""Where the platform runs: one Kubernetes-shaped API on every cluster.

Importing this package is cheap; the cluster that was asked for is loaded by :func:`open_cluster`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.common.progress import OnProgress, quiet
from harness.settings import how_to_set

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.cluster.base import Cluster
    from harness.settings.clusters import ClusterSettings

__all__ = ["Cluster", "open_cluster"]


def open_cluster(
    spec: str,
    settings: ClusterSettings,
    *,
    environment_id: str,
    reuse: bool = False,
    images: Iterable[str] = (),
    on_progress: OnProgress = quiet,
) -> Cluster:
    """Make a cluster for an environment, or adopt that of a running environment.

    Args:
        spec: of a kind of :mod:`harness.cluster.kinds`: ``docker``, ``kind`` or ``context:NAME``.
        settings: deadlines and the folder of the ledger.
        environment_id: short id of the environment, part of the name of everything that belongs to it.
        reuse: adopt the environment of this id if the ledger has it as kept; otherwise make one, which
            stays after ``close(keep=True)`` or ``keep()``.
        images: tags of engine images that the cluster will have to provide; a cluster with its own image store
            may have them from the beginning.
        on_progress: gets a line for every step that takes seconds.

    Raises:
        UsageError: the kind of cluster is unknown or cannot have several nodes, or the context does not exist.
        EngineError: no engine answers, or the user may not use it.
        PlatformError: it did not start, and was removed.
    """
    from harness.cluster import kinds, providers
    from harness.errors import UsageError

    provider = providers.get_provider(spec)
    if settings.nodes > 1 and not provider.several_nodes:
        raise UsageError(
            f"nodes is {settings.nodes}, but the cluster {spec} has a fixed number of nodes",
            fix=f"use {how_to_set('cluster', kinds.list_forms(lambda kind: kind.several_nodes))}",
        )
    adopted = provider.adopt(settings, environment_id) if reuse else None
    return adopted or provider.create(settings, environment_id, spec, images=images, on_progress=on_progress)


def __getattr__(name: str) -> object:
    if name == "Cluster":
        from harness.cluster.base import Cluster

        return Cluster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
