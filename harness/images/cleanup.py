"""Which images of the harness are on this machine, and removing those that nothing asks for any more."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.images import build, engine
from harness.images.resolve import current_tags

if TYPE_CHECKING:
    from harness.settings import Settings

PREFIX = "kaapana-harness/"
EXTENSION_REPOSITORY = build.EXTENSION_REPOSITORY


@dataclasses.dataclass(frozen=True)
class LocalImage:
    """One tag in the engine. ``size`` in bytes counts layers that other images share, too."""

    tag: str
    id: str
    size: int
    created: int
    current: bool


def list_images(settings: Settings) -> list[LocalImage]:
    """All tags below ``kaapana-harness/``, and whether the installed version of the harness asks for them."""
    current = set(current_tags(settings).values())
    api = engine.client()
    try:
        return sorted(
            (
                LocalImage(tag, image["Id"], image["Size"], image["Created"], tag in current)
                for image in api.images()
                for tag in image["RepoTags"] or []
                if tag.startswith(PREFIX)
            ),
            key=lambda image: image.tag,
        )
    finally:
        api.close()


def prune(settings: Settings, *, extensions: bool = True) -> list[LocalImage]:
    """Remove the tags that are superseded; layers go when no other image or container needs them.

    Args:
        settings: decide which images are the current ones.
        extensions: also forget what was built for extensions (a cache: they are built again when needed).

    Returns:
        What was removed. An image that a container uses stays and is not in the list.
    """
    import docker

    removed = []
    api = engine.client(timeout_s=300)
    try:
        for image in list_images(settings):
            extension = image.tag.startswith(f"{EXTENSION_REPOSITORY}:")
            if image.current or (extension and not extensions):
                continue
            try:
                api.remove_image(image.tag)
            except docker.errors.APIError as error:
                if error.status_code not in {404, 409}:
                    raise
            else:
                removed.append(image)
    finally:
        api.close()
    return removed
