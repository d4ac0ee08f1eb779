"""What making and adopting clusters takes of the settings."""

from __future__ import annotations

from typing import Protocol

from harness.settings.builds import BuildSettings


class ClusterSettings(BuildSettings, Protocol):
    """The part of :class:`harness.settings.Settings` that clusters need, besides what making their images needs."""

    @property
    def nodes(self) -> int:
        """The number of nodes, for kinds of cluster that can have several."""

    @property
    def start_timeout(self) -> float:
        """Seconds that the platform may take to become ready."""

    @property
    def disk_reserve(self) -> float:
        """MiB of free disk below which the task that writes most is killed."""

    @property
    def site_network(self) -> bool:
        """Whether pods reach private addresses of the site when their label asks for it."""

    @property
    def context_registry(self) -> str:
        """The registry for a cluster that exists."""

    @property
    def context_storage_class(self) -> str:
        """The storage class on a cluster that exists; empty for its default."""
