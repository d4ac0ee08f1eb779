"""Prune images that neither this version of the harness nor a running environment needs.

What nodes of kind get their images from is superseded like these.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from harness import images
from harness.cluster import ledger
from harness.common.progress import OnProgress
from harness.kube import ApiError, KubeApi
from harness.platform import registry_seed

if TYPE_CHECKING:
    from harness.settings import Settings

# of one volume with tens of thousands of files
_REMOVAL_S = 600


def prune_images(settings: Settings, say: OnProgress, *, everything: bool = False) -> list[str]:
    """Remove superseded images.

    Nothing is removed while an environment runs that cannot be asked for its images, e.g. another user's.

    Args:
        settings: decide which images are the current ones.
        say: receives a line for each reason why images are kept.
        everything: also those that were made in the last days.

    Returns:
        The tags that were removed.

    Raises:
        EngineError: the engine cannot be asked.
    """
    from harness.engine import connect, leftovers

    with contextlib.closing(connect()) as client:
        running = [name for name, found in leftovers.find(client).items() if found.control_plane]
    in_use: set[str] = set()
    for environment_id in running:
        provided = _images_of(settings, environment_id)
        if provided is None:
            say(f"images stay: environment {environment_id} runs, and cannot be asked which ones it needs")
            return []
        in_use |= provided
    tags = images.current_tags(settings)
    keep = [registry_seed.tag_of(tags)] if {"registry", *registry_seed.SEEDS} <= tags.keys() else []
    return [image.tag for image in images.prune(settings, keep=keep, in_use=in_use, everything=everything)]


def prune_contents(settings: Settings, say: OnProgress, *, everything: bool = False) -> list[str]:
    """Remove superseded contents of kind's nodes, and what is left of those that were never completed.

    Args:
        settings: where the ledger is.
        say: receives a line when another process has to be waited for.
        everything: also the one before the newest, which another state of the code may use.

    Returns:
        The names of the volumes that were removed.

    Raises:
        EngineError: the engine cannot be asked.
    """
    from harness.cluster.kind import bases
    from harness.common.locking import making_image
    from harness.engine import connect

    with contextlib.closing(connect(timeout_s=_REMOVAL_S)) as client, making_image(bases.LOCK, settings, say):
        return bases.clear(client, settings) + bases.prune(client, settings, kept=1 if everything else 2)


def _images_of(settings: Settings, environment_id: str) -> set[str] | None:
    """Ids of the images on an environment's node; ``None`` when it cannot be asked."""
    entry = ledger.find(settings, environment_id)
    if entry is None or not entry.url:
        return None
    try:
        return set(KubeApi(entry.url, token=entry.token).request("GET", "/harness/node-images", timeout_s=10).values())
    except ApiError:
        return None
