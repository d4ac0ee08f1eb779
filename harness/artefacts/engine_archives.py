"""Load archives of images into the engine, under names of the harness only: the user's own names stay unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness import engine
from harness.artefacts.archive import ArchivedImage, ImageArchive, check_architecture
from harness.artefacts.loading import make_name
from harness.errors import ImageError

if TYPE_CHECKING:
    import docker


def list_contents(archive: Path) -> dict[str, str]:
    """Return the references in an archive and the digests of their configurations.

    Raises:
        ArchiveError: the file is not an archive of images, or a damaged one.
    """
    return {reference: image.config_digest for reference, image in list_named(ImageArchive.open(archive)).items()}


def list_named(archive: ImageArchive) -> dict[str, ArchivedImage]:
    """Return the references in an archive and their images."""
    found: dict[str, ArchivedImage] = {}
    for image in archive.images:
        for reference in image.references:
            # without a wish for an architecture a name may have several: the first one, as find() has it
            found.setdefault(reference, image)
    return found


def open_archive(client: docker.DockerClient, path: Path) -> ImageArchive:
    """Open an archive with images for the engine's machine.

    Raises:
        ArchiveError: the file is not an archive of images, is damaged, or its images are for another architecture.
    """
    architecture = str(client.version()["Arch"])
    archive = ImageArchive.open(path, architecture=architecture)
    for image in archive.images:
        check_architecture(image, architecture, str(path))
    return archive


def load(client: docker.DockerClient, archive: Path, *, keep_as: str) -> dict[str, str]:
    """Load an archive, without images that the engine already has under their kept names.

    Args:
        client: the engine.
        archive: the file.
        keep_as: repository under which the images stay in the engine, by
            :func:`harness.artefacts.loading.make_name`. No other name is touched.

    Returns:
        Reference to id of its image in the engine.

    Raises:
        ArchiveError: the file is not an archive of images, is damaged, or its images are for another architecture.
        ImageError: the engine does not take it.
    """
    opened = open_archive(client, archive)
    images = list_named(opened)
    kept = {make_name(keep_as, image.config_digest): image for image in images.values()}
    missing = {name: image for name, image in kept.items() if engine.find_image(client.api, name) is None}
    if missing:
        engine.load_images(client.api, opened.stream(missing), str(archive))
    found: dict[str, str] = {}
    for reference, image in images.items():
        described = engine.find_image(client.api, make_name(keep_as, image.config_digest))
        if described is None:
            raise ImageError(f"the engine has loaded {archive} but does not know {reference}, {image.config_digest}")
        found[reference] = str(described["Id"])
    return found
