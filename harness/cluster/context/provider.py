"""The kind ``context:NAME``: an environment on a cluster of the user's kubeconfig, which belongs to others as well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.cluster.context import access
from harness.cluster.providers import Provider
from harness.common.progress import OnProgress, quiet

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster import ledger
    from harness.cluster.base import Cluster
    from harness.settings.clusters import ClusterSettings


class ContextProvider(Provider):
    """See :class:`harness.cluster.providers.Provider`.

    This machine has no part of such an environment, and clusters are not searched for unknown ones.
    """

    form = f"{access.SPEC}NAME"
    owns_cluster = False
    owns_registry = False

    def accepts(self, spec: str) -> bool:
        """Return whether a context is named; whether there is one is found out when it is used."""
        return spec.startswith(access.SPEC) and bool(access.parse_context(spec))

    def create(
        self,
        settings: ClusterSettings,
        environment_id: str,
        spec: str,
        *,
        images: Iterable[str] = (),
        on_progress: OnProgress = quiet,
    ) -> Cluster:
        """Examine the cluster, make a first namespace, and push the images."""
        from harness.cluster.context.cluster import ContextCluster

        return ContextCluster.create(settings, environment_id, spec, images=images, on_progress=on_progress)

    def adopt(self, settings: ClusterSettings, environment_id: str) -> Cluster | None:
        """See the base class."""
        from harness.cluster.context.cluster import ContextCluster

        return ContextCluster.adopt(settings, environment_id)

    def is_alive(self, state: Path, entry: ledger.Entry) -> bool:
        """Return whether its namespaces are there; a cluster that does not answer may come back."""
        from harness.cluster.context import leftovers

        return leftovers.is_reachable(entry)

    def remove(self, state: Path, entry: ledger.Entry) -> None:
        """Remove its namespaces."""
        from harness.cluster.context import leftovers

        leftovers.remove_entry(entry)


PROVIDER = ContextProvider()
