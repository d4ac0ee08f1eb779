"""The platform's own images: one image of the harness, which runs another program under each of their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from harness.wire.names import PLATFORM_IMAGES

if TYPE_CHECKING:
    from harness.cluster import Cluster

IMAGE: Final = "processing"
"""The image, by its name in the catalogue."""


def list_commands(registry: str, version: str) -> Mapping[str, tuple[str, ...]]:
    """Return the own commands of containers of the platform's images, by the images' references.

    Args:
        registry: ``DEFAULT_REGISTRY`` of the platform.
        version: ``KAAPANA_BUILD_VERSION``.
    """
    program = ("python", "-m", "harness.incluster.programs")
    return {f"{registry}/{name}:{version}": (*program, name) for name in PLATFORM_IMAGES}


def provide(cluster: Cluster, image: str, registry: str, version: str) -> None:
    """Make them images of a cluster's nodes.

    Args:
        cluster: the cluster.
        image: id or name of :data:`IMAGE` in the engine.
        registry, version: see :func:`list_commands`.

    Raises:
        ImageError: the engine does not have the image.
    """
    programs = list_commands(registry, version)
    cluster.provide_images(dict.fromkeys(programs, image), programs)
