"""Prune images that neither this version of the harness nor a running environment needs.

What nodes of a cluster get their images from is superseded like these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import images
from harness.cluster import providers
from harness.common.progress import OnProgress
from harness.platform import registry_seed

if TYPE_CHECKING:
    from harness.settings.builds import BuildSettings


def prune_images(settings: BuildSettings, say: OnProgress, *, everything: bool = False) -> list[str]:
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
    in_use: set[str] = set()
    for provider in providers.all_providers():
        for environment_id, provided in provider.images_in_use(settings.state).items():
            if provided is None:
                say(f"keeping all images: environment {environment_id} runs, but does not tell which ones it needs")
                return []
            in_use |= set(provided)
    tags = images.compute_tags(settings)
    keep = [registry_seed.make_tag(tags)] if {"registry", *registry_seed.SEEDS} <= tags.keys() else []
    return [image.tag for image in images.prune(settings, keep=keep, in_use=in_use, everything=everything)]


def prune_contents(settings: BuildSettings, say: OnProgress, *, everything: bool = False) -> list[str]:
    """Remove superseded contents of nodes, see :meth:`harness.cluster.providers.Provider.prune_contents`.

    Returns:
        The names of the removed objects.

    Raises:
        EngineError: the engine cannot be asked.
    """
    removed = [provider.prune_contents(settings, say, everything=everything) for provider in providers.all_providers()]
    return [name for names in removed for name in names]
