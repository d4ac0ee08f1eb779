"""Archives of images from any engine or tool: list the images, and stream them in one normal form.

::

    archive = ImageArchive.open("images.tar", architecture="amd64")
    for image in archive.images:
        check_architecture(image, "amd64", "images.tar")
    stream = archive.stream({reference: image for image in archive.images for reference in image.references})
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.artefacts import conversion, docker_layout, oci_layout
from harness.artefacts.archived_image import StoredImage
from harness.artefacts.conversion import OnBytes
from harness.artefacts.members import Members
from harness.artefacts.model import ArchivedImage, ArchiveError, ImagePlatform, check_architecture
from harness.common import references

__all__ = ["ArchiveError", "ArchivedImage", "ImageArchive", "ImagePlatform", "OnBytes", "check_architecture"]


def _ignore(done: int, total: int) -> None:
    """Ignore the progress."""


class ImageArchive:
    """An archive of images, opened by :meth:`open`. It holds no file open.

    Attributes:
        path: the file.
        images: in the order of the archive; of several platforms under one name only the one that was asked for.
    """

    def __init__(self, members: Members, stored: Mapping[str, StoredImage], images: tuple[ArchivedImage, ...]) -> None:
        self.path = members.path
        self.images = images
        self._members = members
        self._stored = stored

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, architecture: str | None = None) -> ImageArchive:
        """Read the headers and documents of an archive, without layers.

        Args:
            path: of the file, an uncompressed tar file.
            architecture: takes of several platforms under a name the one for Linux on this (``amd64``); an image that
                is alone under its name is kept, see :func:`check_architecture`. Without it all are kept.

        Raises:
            ArchiveError: there is no such file, it is not an archive of images, it is compressed, cut off or damaged, a
                document or a layer is missing, or a name has several platforms but not the one that is wanted.
        """
        members = Members(Path(path))
        found: list[tuple[list[str], StoredImage]] = []
        known: set[str] = set()
        described: set[str] = set()
        if oci_layout.DOCUMENT in members:
            # first, as containerd does, and the platform imports with it (build 10.5)
            layout = oci_layout.OciLayout(members)
            found += layout.images(architecture)
            known, described = layout.references, layout.config_digests
        if docker_layout.DOCUMENT in members:
            for names, image in docker_layout.read(members):
                more = [name for name in names if name not in known]
                if more or image.image.config_digest not in described:
                    found.append((more, image))
        if not found:
            raise ArchiveError(
                f"{members.path} is not an archive of images: there is no image in it",
                fix="make it with `docker save -o FILE IMAGE...`",
            )
        # of an image that both documents have the first one's layers are taken, in both places
        stored = {image.image.config_digest: image for _, image in reversed(found)}
        return cls(members, stored, _merge(found))

    def find(self, reference: str) -> ArchivedImage | None:
        """Return the image with this name, in any notation; ``None`` if the archive has none."""
        try:
            wanted = references.normalise(reference)
        except ValueError:
            return None
        return next((image for image in self.images if wanted in image.references), None)

    def stream(self, names: Mapping[str, ArchivedImage], *, on_bytes: OnBytes = _ignore) -> Iterator[bytes]:
        """Yield images as an archive in the layout of ``docker save``, at most 1 MiB at a time.

        It has shared layers once. gzip layers are passed unchanged, zstd layers unpacked: engines
        know zstd only since 23.

        Args:
            names: the tags that the images get, each with its image of this archive.
            on_bytes: called with the bytes of layers that were read so far and those there are.

        Raises:
            ArchiveError: in the middle of the stream, a layer or a configuration is not what its digest says, or the
                file has changed.
            ValueError: an image is not of this archive.
        """
        wanted = {}
        for name, image in names.items():
            if image.config_digest not in self._stored:
                raise ValueError(f"{self.path} has no image {image.config_digest}")
            wanted[name] = self._stored[image.config_digest]
        return conversion.convert(self._members, wanted, on_bytes)


def _merge(found: list[tuple[list[str], StoredImage]]) -> tuple[ArchivedImage, ...]:
    """Combine the facts about each image; if two images of one platform have the same name, the later one keeps it."""
    images: dict[str, ArchivedImage] = {}
    owners: dict[tuple[str, ImagePlatform], str] = {}
    for names, stored in found:
        images.setdefault(stored.image.config_digest, stored.image)
        for name in names:
            owners[name, stored.image.platform] = stored.image.config_digest
    named: dict[str, list[str]] = {digest: [] for digest in images}
    for (name, _), digest in owners.items():
        named[digest].append(name)
    return tuple(dataclasses.replace(image, references=tuple(named[digest])) for digest, image in images.items())
