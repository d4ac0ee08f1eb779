"""List the images of the harness on this machine, and remove those that are no longer needed."""

from __future__ import annotations

import dataclasses
import datetime
import re
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from harness import engine
from harness.images.resolve import compute_tags

if TYPE_CHECKING:
    from docker import APIClient

    from harness.settings.builds import BuildSettings

PREFIX: Final = "kaapana-harness/"
SEED_PREFIX: Final = f"{PREFIX}seed-"
"""Of names in a registry of a moment: an interrupted push leaves them in the engine."""
RECENT_S: Final = 7 * 24 * 3600.0
_BUILD_S: Final = 3600.0
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")


@dataclasses.dataclass(frozen=True)
class LocalImage:
    """One tag in the engine, or the id of an image without one.

    ``size`` in bytes counts layers that other images share, too.
    """

    tag: str
    id: str
    size: int
    created: int
    current: bool

    @property
    def rests_s(self) -> float:
        """Seconds for which it always stays: one without a name may be a step of a build that goes on."""
        return _BUILD_S if self.tag == self.id else 0.0


def list_images(settings: BuildSettings) -> list[LocalImage]:
    """Return all tags that the harness made, and whether its installed version asks for them."""
    current = set(compute_tags(settings).values())
    api = engine.connect_api()
    try:
        return sorted(
            (
                LocalImage(tag, image["Id"], image["Size"], image["Created"], tag in current)
                for image in api.images()
                for tag in image["RepoTags"] or []
                if tag.startswith(PREFIX) or f"/{SEED_PREFIX}" in tag
            ),
            key=lambda image: image.tag,
        )
    finally:
        api.close()


def prune(
    settings: BuildSettings, *, keep: Collection[str] = (), in_use: Collection[str] = (), everything: bool = False
) -> list[LocalImage]:
    """Remove the tags that nothing asks for any more; layers go when no other image or container needs them.

    Images without a name that stand on ours go as well: steps of builds that failed, and what other builds replaced.
    What the installed version of the harness asks for stays, and what a container was made from. So does what was
    made in the last :data:`RECENT_S`: it may be another checkout's, or an extension's that is being worked on.

    Args:
        settings: decide which images are the current ones.
        keep: further tags that stay.
        in_use: ids of images that stay.
        everything: recent ones go, too.

    Returns:
        What was removed.
    """
    import docker

    images = list_images(settings)
    removed = []
    api = engine.connect_api(timeout_s=300)
    try:
        images += _list_nameless(api)
        busy = {*in_use, *(container["ImageID"] for container in api.containers(all=True))}
        for image in images:
            if image.current or image.tag in keep or image.id in busy:
                continue
            try:
                if time.time() - _find_last_change(api, image) < (image.rests_s if everything else RECENT_S):
                    continue
            except docker.errors.NotFound:
                continue
            # not if a new container uses it
            if engine.remove_image(api, image.tag):
                removed.append(image)
    finally:
        api.close()
    return removed


def _list_nameless(api: APIClient) -> list[LocalImage]:
    """Return the images without a name that have our label: their own, or that of their base."""
    found = api.images(filters={"dangling": True, "label": engine.LABEL_NAME})
    return [LocalImage(image["Id"], image["Id"], image["Size"], image["Created"], False) for image in found]


def _find_last_change(api: APIClient, image: LocalImage) -> float:
    """Return when the image was made or got this name, whichever is later, in seconds since 1970.

    A pulled image is as old as its publisher says, and a build from the engine's cache as old as the cache.
    """
    metadata = api.inspect_image(image.tag).get("Metadata") or {}  # type: ignore[no-untyped-call]
    # with nanoseconds, which Python 3.10 does not read; year 1 where the engine does not know it
    parts = _TIME.fullmatch(str(metadata.get("LastTagTime")))
    if parts is None:
        return image.created
    tagged = datetime.datetime.fromisoformat(parts[1] + parts[2].replace("Z", "+00:00"))
    return max(image.created, tagged.timestamp())
