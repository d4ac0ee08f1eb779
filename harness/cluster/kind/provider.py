"""The kind ``kind``: Kubernetes itself, its nodes as containers of the local engine, made by the command kind."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cluster import ledger
from harness.cluster.providers import FoundEnvironment, Provider
from harness.common.progress import OnProgress, quiet
from harness.errors import EngineError

if TYPE_CHECKING:
    from harness.cluster.base import Cluster
    from harness.cluster.kind.leftovers import Found
    from harness.settings.builds import BuildSettings
    from harness.settings.clusters import ClusterSettings

# of one volume with tens of thousands of files
_REMOVAL_S = 600


class KindProvider(Provider):
    """See :class:`harness.cluster.providers.Provider`."""

    form = "kind"
    several_nodes = True

    def create(
        self,
        settings: ClusterSettings,
        environment_id: str,
        spec: str,
        *,
        images: Iterable[str] = (),
        on_progress: OnProgress = quiet,
    ) -> Cluster:
        """Make the nodes; they have the images from the beginning."""
        from harness.cluster.kind.cluster import KindCluster

        return KindCluster.create(settings, environment_id, images=images, on_progress=on_progress)

    def adopt(self, settings: ClusterSettings, environment_id: str) -> Cluster | None:
        """See the base class."""
        from harness.cluster.kind.cluster import KindCluster

        return KindCluster.adopt(settings, environment_id)

    def is_alive(self, state: Path, entry: ledger.Entry) -> bool:
        """Return whether its API server answers."""
        from harness.cluster.kind.cluster import is_reachable

        return is_reachable(state, entry.id)

    def remove(self, state: Path, entry: ledger.Entry) -> None:
        """Remove it without asking kind."""
        _remove(state, entry.id)

    def find(self, state: Path) -> list[FoundEnvironment]:
        """Return all clusters that were made by the harness."""
        from harness.cluster.kind import leftovers
        from harness.engine import connect

        with contextlib.closing(connect()) as client:
            clusters = leftovers.find(client)
        return [
            FoundEnvironment(name, functools.partial(_is_in_use, found), functools.partial(_remove, state, name))
            for name, found in clusters.items()
        ]

    def prune_contents(self, settings: BuildSettings, say: OnProgress, *, everything: bool = False) -> list[str]:
        """Remove volumes that the content of nodes was copied from."""
        from harness.cluster.kind import bases
        from harness.common.locking import lock_image
        from harness.engine import connect

        with contextlib.closing(connect(timeout_s=_REMOVAL_S)) as client, lock_image(bases.LOCK, settings, say):
            cleared = bases.clear(client, settings.state)
            return cleared + bases.prune(client, settings.state, kept=1 if everything else 2)

    def check_machine(self, settings: ClusterSettings, on_progress: OnProgress = quiet) -> None:
        """See :func:`harness.doctor.require_nodes`."""
        from harness.doctor import require_nodes

        require_nodes(settings.nodes, on_progress)

    def try_machine(self, image: str) -> None:
        """See :func:`harness.engine.trial.try_engine`; nodes publish ports and have a network as well."""
        from harness.engine.trial import try_engine

        try_engine(image)


def _remove(state: Path, environment_id: str) -> None:
    from harness.cluster.kind import leftovers
    from harness.engine import connect

    with contextlib.closing(connect()) as client:
        leftovers.remove(client, state, environment_id)


def _is_in_use(cluster: Found) -> bool:
    """Return whether a cluster is in use or kept according to the ledger that it was made with."""
    if ledger.is_owner_alive(cluster.owner):
        return True
    try:
        entry = ledger.find_in(Path(cluster.ledger), cluster.environment) if cluster.ledger else None
    except (OSError, EngineError):
        # another user's, or damaged: not ours to judge
        return True
    return entry is not None and entry.kept


PROVIDER = KindProvider()
