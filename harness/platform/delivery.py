"""Deliver images to the platform: a push to its registry, or one ``images.tar`` for its nodes (build 1, 10.5)."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from harness import engine
from harness.artefacts.sources import Route
from harness.common.progress import OnProgress
from harness.common.references import find_last_part, join_reference, split_reference
from harness.common.scratch import scratch_folder
from harness.errors import ImageError, UsageError
from harness.images import build_extension_image, temporary_names
from harness.images.build import one_line
from harness.images.extension_image import find_substitutes, require_builder
from harness.platform.registry import ELSEWHERE

if TYPE_CHECKING:
    from harness.artefacts.sources import FoundImage
    from harness.cluster import Cluster
    from harness.extension import Container
    from harness.platform.registry import PlatformRegistry
    from harness.settings.builds import BuildSettings

# the engine's builder is busy with two steps at a time on a small machine
_WORKERS = 2


@dataclasses.dataclass(frozen=True)
class PodImage:
    """One image of an extension that pods pull.

    Attributes:
        image: its name without registry and tag.
        image_id: in the engine.
        reference: under which pods pull it.
        origin: where its bytes come from, for the evidence.
        config_digest: ``sha256:...`` of its configuration.
        layers: digests of its uncompressed layers, the lowest first.
        replaced: replacements of bases and URLs by the site's settings, one text each.
    """

    image: str
    image_id: str
    reference: str
    origin: str = "built"
    config_digest: str = ""
    layers: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()


def build(
    containers: Sequence[Container], reference_of: Callable[[Container], str], settings: BuildSettings, say: OnProgress
) -> list[PodImage]:
    """Build the containers of an extension, ``local-only`` ones first and one after another, bases before children.

    Raises:
        BuildError: names the Dockerfile's failing step.
        EngineError: one of them needs a builder that is not there; nothing is built.
    """

    def one(container: Container) -> PodImage:
        # a name of our own in the engine: the reference belongs to the platform's registry only
        tag = container.local_reference if container.local else f"kaapana-harness/built/{container.image}:latest"
        lines = _Lines(container.image, say)
        dockerfile = container.dockerfile.name
        replaced = tuple(map(str, find_substitutes(container.dockerfile, settings=settings)))
        for text in replaced:
            lines.notice(text)
        image_id = build_extension_image(
            container.directory, tag, settings=settings, on_line=lines, on_notice=lines.notice, dockerfile=dockerfile
        )
        layers = engine.find_layers(image_id)
        return PodImage(container.image, image_id, reference_of(container), "built", image_id, layers, replaced)

    wanted = [container for container in containers if not container.ignored]
    for container in wanted:
        require_builder(container.dockerfile, settings=settings)
    for base in sort_locally(wanted):
        one(base)
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(one, (container for container in wanted if not container.local)))


def sort_locally(containers: Sequence[Container]) -> list[Container]:
    """Return the ``local-only`` containers, each after those that it is based on."""
    left = {container.local_reference: container for container in containers if container.local}
    ordered: list[Container] = []
    while left:
        ready = [name for name, container in left.items() if not left.keys() & set(container.bases) - {name}]
        # a circle has no order: the builder then names the base that is missing
        for name in ready or list(left):
            ordered.append(left.pop(name))
    return ordered


def push(images: Iterable[PodImage], registry: PlatformRegistry, say: OnProgress) -> None:
    """Push to the registry; an image that is there already moves no bytes and takes one request.

    Raises:
        UsageError: a reference is in another registry, to which the harness does not push.
    """
    images = list(images)
    for image in images:
        if not registry.serves(image.reference):
            raise UsageError(
                f"{image.reference} is not in the platform's registry {registry.name}",
                fix=ELSEWHERE,
            )

    def one(image: PodImage) -> None:
        if registry.has(image.reference, image.image_id):
            return
        say(f"pushing {image.reference}")
        registry.push(image.image_id, image.reference)

    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(one, images))


def deliver_found(
    cluster: Cluster, registry: PlatformRegistry, found: Sequence[FoundImage], *, push_all: bool, say: OnProgress
) -> list[PodImage]:
    """Deliver images that were built elsewhere: archives to the platform's nodes, all others to its registry.

    What has the name of another registry goes to the nodes in each case.

    Args:
        cluster: its nodes get the uploaded images.
        registry: the environment's.
        found: the images.
        push_all: archives go to the registry as well.
        say: gets a line for each step that takes seconds.

    Raises:
        ArchiveError: an archive is damaged.
        ImageError: the engine refuses an image.
    """
    images = {
        image.reference: PodImage(
            find_last_part(image.reference),
            image.config_digest if image.route is Route.PRESENT else image.load(say),
            image.reference,
            image.origin,
            image.config_digest,
            image.layers,
        )
        for image in found
    }
    in_place = {
        image.reference
        for image in found
        if image.route is Route.PRESENT or (image.route is Route.PULL and not registry.serves(image.reference))
    }
    # an image of another registry, from an archive or the engine, is not for the platform's
    uploaded = {
        image.reference
        for image in found
        if image.reference not in in_place
        and ((image.route is Route.UPLOAD and not push_all) or not registry.serves(image.reference))
    }
    if uploaded:
        say(f"importing {len(uploaded)} images")
        cluster.import_images({reference: images[reference].image_id for reference in uploaded})
    pushed = [image for reference, image in images.items() if reference not in uploaded | in_place]
    push(pushed, registry, say)
    cluster.withdraw_images(image.reference for image in pushed)
    return list(images.values())


def hand_over_archive(images: Iterable[PodImage], cluster: Cluster, folder: Path, say: OnProgress) -> None:
    """Save all images as one archive, and let the cluster's nodes import it.

    Args:
        folder: where the archive, which may have gigabytes, is made and removed.

    Raises:
        ImageError: the engine cannot save them.
    """
    with scratch_folder(folder) as own:
        archive = own / "images.tar"
        write_archive(images, archive, say)
        say(f"importing {archive.name} ({archive.stat().st_size / 1e6:.0f} MB)")
        cluster.import_archive(archive)


def write_archive(images: Iterable[PodImage], archive: Path, say: OnProgress) -> None:
    """Save all images into one file (``docker save``), atomically; the user's own tags stay unchanged.

    Args:
        archive: the file; its folder exists.

    Raises:
        ImageError: the engine cannot save them.
    """
    import docker
    import requests

    images = list(images)
    api = engine.connect_api(timeout_s=600)
    # with its tag: a name alone would be saved with all the tags that the engine has of it
    names = {join_reference(*split_reference(image.reference)): image.image_id for image in images}
    partial = archive.with_name(f".{archive.name}.{os.getpid()}.partial")
    try:
        say(f"saving {len(images)} images to {archive.name}")
        with temporary_names.give_names(api, names), partial.open("wb") as file:
            file.writelines(engine.save_images(api, names))
        partial.replace(archive)
    except (docker.errors.APIError, requests.RequestException) as error:
        raise ImageError("the images cannot be saved", last_seen=engine.read_message(error)) from None
    except OSError as error:
        raise ImageError(
            f"{archive} cannot be written: {error.strerror or error}", fix="choose another place"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
        api.close()


class _Lines:
    """Passes on the steps of a build, not its whole output."""

    def __init__(self, image: str, say: OnProgress) -> None:
        self._image = image
        self._say = say
        self._lock = threading.Lock()

    def notice(self, text: str) -> None:
        """Report deviations from the Dockerfile."""
        with self._lock:
            self._say(f"building {self._image}: {text}")

    def __call__(self, line: str) -> None:
        if line.startswith("Step "):
            with self._lock:
                self._say(f"building {self._image}: {one_line(line)}")
