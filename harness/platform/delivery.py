"""Getting images to the platform: a push to its registry, or one ``images.tar`` for its nodes (build 1, 10.5)."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ImageError, UsageError
from harness.images import build_extension_image
from harness.images.engine import client as engine_client
from harness.platform.registry import ELSEWHERE
from harness.progress import OnProgress

if TYPE_CHECKING:
    from harness.cluster import Cluster
    from harness.extension import Container
    from harness.platform.registry import PlatformRegistry
    from harness.settings import Settings

# the engine's builder is busy with two steps at a time on a small machine
_WORKERS = 2
_BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Built:
    """One built container: its id in the engine, and the reference under which pods pull it."""

    image: str
    image_id: str
    reference: str


def build(
    containers: Sequence[Container], reference_of: Callable[[Container], str], settings: Settings, say: OnProgress
) -> list[Built]:
    """Build the containers of an extension, ``local-only`` ones first and one after another.

    Raises:
        BuildError: names the Dockerfile's failing step.
    """

    def one(container: Container) -> Built:
        # a name of our own in the engine: the reference belongs to the platform's registry only
        tag = (
            f"local-only/{container.image}:latest"
            if container.local
            else f"kaapana-harness/built/{container.image}:latest"
        )
        lines = _Lines(container.image, say)
        image_id = build_extension_image(container.directory, tag, settings=settings, on_line=lines)
        return Built(container.image, image_id, reference_of(container))

    wanted = [container for container in containers if not container.ignored]
    for base in (container for container in wanted if container.local):
        one(base)
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(one, (container for container in wanted if not container.local)))


def push(images: Iterable[Built], registry: PlatformRegistry, say: OnProgress) -> None:
    """Push to the registry; an image that is there already moves no bytes and takes one request.

    Raises:
        UsageError: a reference lies in another registry, to which the harness does not push.
    """
    images = list(images)
    for image in images:
        if not registry.serves(image.reference):
            raise UsageError(
                f"{image.reference} does not lie in the platform's registry {registry.name}",
                fix=ELSEWHERE,
            )

    def one(image: Built) -> None:
        if registry.has(image.reference, image.image_id):
            return
        say(f"pushing {image.reference}")
        registry.push(image.image_id, image.reference)

    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(one, images))


def hand_over_archive(images: Iterable[Built], cluster: Cluster, say: OnProgress) -> None:
    """All images as one archive, which the cluster's nodes import.

    Raises:
        ImageError: the engine cannot save them.
    """
    with tempfile.TemporaryDirectory(prefix="kh-images-") as folder:
        archive = Path(folder) / "images.tar"
        write_archive(images, archive, say)
        say(f"importing {archive.name} ({archive.stat().st_size / 1e6:.0f} MB)")
        cluster.import_archive(archive)


def write_archive(images: Iterable[Built], archive: Path, say: OnProgress) -> None:
    """``docker save`` of all images into one file, whole or not at all.

    Args:
        archive: the file; its folder exists.

    Raises:
        ImageError: the engine cannot save them.
    """
    import docker
    import requests

    images = list(images)
    api = engine_client(timeout_s=600)
    tagged: list[str] = []
    partial = archive.with_name(f".{archive.name}.{os.getpid()}.partial")
    try:
        for image in images:
            repository, _, tag = image.reference.rpartition(":")
            api.tag(image.image_id, repository, tag)
            tagged.append(image.reference)
        say(f"saving {len(images)} images to {archive.name}")
        with partial.open("wb") as file:
            # get_image of docker-py saves one name only; the engine takes several
            url = f"{api.base_url}/v{api.api_version}/images/get"
            response = api.get(url, params={"names": tagged}, stream=True)
            response.raise_for_status()
            for block in response.iter_content(_BLOCK):
                file.write(block)
        partial.replace(archive)
    except (docker.errors.APIError, requests.RequestException) as error:
        raise ImageError("the images cannot be saved", last_seen=str(error)) from None
    finally:
        partial.unlink(missing_ok=True)
        for reference in tagged:
            api.remove_image(reference, noprune=True)
        api.close()


class _Lines:
    """Passes on the steps of a build, not its whole output."""

    def __init__(self, image: str, say: OnProgress) -> None:
        self._image = image
        self._say = say
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        if line.startswith("Step "):
            with self._lock:
                self._say(f"building {self._image}: {line}")
