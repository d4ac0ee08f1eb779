"""Providers: what each kind of cluster can do.

Ask the provider for whatever depends on the kind of cluster; no other module compares names of kinds. A provider's
own module is cheap to import, and loads heavy modules on first use.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.cluster import kinds
from harness.common.progress import OnProgress, quiet
from harness.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.base import Cluster
    from harness.cluster.ledger import Entry
    from harness.settings.builds import BuildSettings
    from harness.settings.clusters import ClusterSettings


@dataclasses.dataclass(frozen=True)
class FoundEnvironment:
    """What an environment has on this machine, whether or not the ledger knows it.

    Attributes:
        id: of the environment.
        in_use: returns whether it is used or kept, as far as this is known without this user's ledger.
        remove: removes it; raises :class:`harness.errors.NotRemovedError`.
    """

    id: str
    in_use: Callable[[], bool]
    remove: Callable[[], object]


class Provider(kinds.ClusterKind, abc.ABC):
    """One kind of cluster, see also :class:`harness.cluster.kinds.ClusterKind`.

    Attributes:
        only_node: name of the node of all clusters of this kind; empty: each has its own nodes.
        owns_cluster: the cluster is the environment's alone. Otherwise only objects in namespaces are made.
        owns_registry: the platform's registry runs in the cluster, with its own logins. Otherwise the user has
            named a registry, and it is used with the user's login.
    """

    only_node: ClassVar[str] = ""
    owns_cluster: ClassVar[bool] = True
    owns_registry: ClassVar[bool] = True

    @abc.abstractmethod
    def create(
        self,
        settings: ClusterSettings,
        environment_id: str,
        spec: str,
        *,
        images: Iterable[str] = (),
        on_progress: OnProgress = quiet,
    ) -> Cluster:
        """Make a cluster, see :func:`harness.cluster.open_cluster`."""

    @abc.abstractmethod
    def adopt(self, settings: ClusterSettings, environment_id: str) -> Cluster | None:
        """Return the cluster of an environment that was kept and still works, or ``None``."""

    @abc.abstractmethod
    def is_alive(self, state: Path, entry: Entry) -> bool:
        """Return whether the cluster of an environment that was kept still works."""

    @abc.abstractmethod
    def remove(self, state: Path, entry: Entry) -> None:
        """Remove everything of an environment, as far as it still exists. The caller removes the ledger's entry.

        Raises:
            EngineError: the engine cannot be asked.
            NotRemovedError: something could not be removed; everything else was.
        """

    def find(self, state: Path) -> list[FoundEnvironment]:
        """Return the environments of this kind that have something on this machine, also those of other users."""
        return []

    def images_in_use(self, state: Path) -> Mapping[str, Collection[str] | None]:
        """Return the images of the engine that running environments need.

        Returns:
            Ids of images by the id of the environment; ``None`` for one that cannot be asked. Environments whose nodes
            have copies are not in it.
        """
        return {}

    def prune_contents(self, settings: BuildSettings, say: OnProgress, *, everything: bool = False) -> list[str]:
        """Remove superseded contents of nodes, and leftovers of incomplete ones.

        Args:
            settings: where the locks are.
            say: gets a line before waiting for another process.
            everything: also the one before the newest, which another state of the code may use.

        Returns:
            The names of the removed objects.
        """
        return []

    def check_machine(self, settings: ClusterSettings, on_progress: OnProgress = quiet) -> None:
        """Check without a container whether this machine can have such a cluster, before an image is made for it.

        Raises:
            PlatformError: it cannot; the fix is the command to run.
        """

    def try_machine(self, image: str) -> None:
        """Find out within seconds whether this machine can have such a cluster, before all images are made.

        Args:
            image: one with Python.

        Raises:
            EngineError: it cannot.
        """


def all_providers() -> list[Provider]:
    """Return the providers of all kinds."""
    return [kind for kind in kinds.all_kinds() if isinstance(kind, Provider)]


def find(spec: str) -> Provider | None:
    """Return the provider of the cluster that a text names; ``None`` when no kind is named like this."""
    kind = kinds.find(spec)
    return kind if isinstance(kind, Provider) else None


def get_provider(spec: str) -> Provider:
    """Return the provider of the cluster that a text names.

    Raises:
        UsageError: no kind is named like this.
    """
    provider = find(spec)
    if provider is None:
        raise UsageError(f"unknown cluster {spec!r}", fix=f"use {kinds.list_forms()}")
    return provider
