"""Which images of the harness are on this machine, and removing those that nothing asks for any more."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.images import build, engine
from harness.images.catalogue import CATALOGUE, repository
from harness.images.resolve import current_tags

if TYPE_CHECKING:
    from harness.settings import Settings

PREFIX = "kaapana-harness/"
# made for extensions: a cache, and the names that their last builds have
_OF_EXTENSIONS = (f"{build.EXTENSION_REPOSITORY}:", f"{PREFIX}built/")


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

    Of the images of the catalogue the current ones stay, of other repositories below ``kaapana-harness/``
    (what is derived from the catalogue by other parts of the harness) the newest tag.

    Args:
        settings: decide which images are the current ones.
        extensions: also forget what was built for extensions; it is built again when it is needed.

    Returns:
        What was removed. An image that a container uses stays and is not in the list.
    """
    import docker

    catalogue = {repository(name) for name in CATALOGUE}
    images = list_images(settings)
    newest: dict[str, int] = {}
    for image in images:
        name = image.tag.rpartition(":")[0]
        newest[name] = max(newest.get(name, 0), image.created)
    removed = []
    api = engine.client(timeout_s=300)
    try:
        for image in images:
            name = image.tag.rpartition(":")[0]
            if image.tag.startswith(_OF_EXTENSIONS):
                stays = not extensions
            elif name in catalogue:
                stays = image.current
            else:
                stays = image.created == newest[name]
            if stays:
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
