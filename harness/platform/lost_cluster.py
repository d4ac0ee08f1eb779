"""Explain failures of a platform that was lost in the middle of an operation by what became of its cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.errors import PlatformError
from harness.kube.errors import Unavailable

if TYPE_CHECKING:
    from harness.cluster import Cluster


@contextlib.contextmanager
def explain_lost_cluster(cluster: Cluster) -> Iterator[None]:
    """Report what fails in the block because the cluster was lost as the loss of the cluster.

    Raises:
        PlatformError: a part of the platform does not answer; the first line says why, where that can be found.
    """
    try:
        yield
    except (PlatformError, Unavailable) as error:
        trouble = cluster.trouble()
        if trouble:
            raise PlatformError(trouble, last_seen=str(error), fix="run it again: it starts a new platform") from error
        if isinstance(error, PlatformError):
            raise
        # it answers again by now
        raise PlatformError(
            "the cluster's API server did not answer for a while", last_seen=str(error), fix="run it again"
        ) from error


@contextlib.contextmanager
def ignore_lost_cluster(cluster: Cluster) -> Iterator[None]:
    """Skip the rest of a clean-up on a failed cluster: everything on it goes with it."""
    try:
        yield
    except (PlatformError, Unavailable):
        if not cluster.trouble():
            raise
