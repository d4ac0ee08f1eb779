"""Deliver as the development kit does: all images in its own registry, with the platform's version (build 16)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.artefacts.sources import FoundImage, ImageSource, Route
from harness.wire import edk

if TYPE_CHECKING:
    from harness.platform.registry import PlatformRegistry


def serve(registry: PlatformRegistry) -> None:
    """Serve the kit's images from the environment's registry, under both names; pods need no login for it."""
    registry.serve(edk.REGISTRY, open_to_all=True)
    registry.serve(edk.IN_CLUSTER, open_to_all=True, same_as=edk.REGISTRY)


class KitSource:
    """A place with images, asked for those that pods pull from the kit's registry.

    Such an image may have either name of that registry, or in an archive of ``build_image.sh --tar`` that of the
    platform's; below the prefix of a user's registry are the repositories that pods find below the kit's.
    """

    def __init__(self, source: ImageSource) -> None:
        self._source = source
        self.title = source.title

    def find(self, reference: str, platform_registry: str) -> FoundImage | None:
        """See :class:`harness.artefacts.sources.ImageSource`."""
        if not edk.is_in_registry(reference):
            return self._source.find(reference, platform_registry)
        _, _, name = reference.partition("/")
        for registry in (*edk.REGISTRIES, platform_registry):
            if found := self._source.find(f"{registry}/{name}", registry):
                return dataclasses.replace(found, reference=reference, route=Route.PUSH)
        return None

    def similar(self, reference: str, platform_registry: str) -> list[str]:
        """See :class:`harness.artefacts.sources.ImageSource`."""
        below = reference.partition("/")[0] if edk.is_in_registry(reference) else platform_registry
        return self._source.similar(reference, below)
