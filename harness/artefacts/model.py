"""Images of an archive, and the one exception that reading an archive raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.errors import UsageError


class ArchiveError(UsageError):
    """A file is not an archive of images, is damaged, or has unsuitable images."""


@dataclass(frozen=True)
class ImagePlatform:
    """What an image runs on, in the words of Go: ``linux``, ``arm64``, ``v8``."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def runs_on(self, architecture: str) -> bool:
        """Return whether an engine on Linux of this architecture runs it; an unnamed architecture is the engine's."""
        return self.os == "linux" and self.architecture in (architecture, "")


@dataclass(frozen=True)
class ArchivedImage:
    """One image of an archive.

    Attributes:
        references: its names as the engine shows them, ``docker.io/library/x`` is ``x:latest``; may be empty.
        config_digest: ``sha256:`` and 64 hexadecimal digits, of the configuration's bytes.
        diff_ids: digest of each uncompressed layer, the lowest first.
        platform: where it runs.
        config: the configuration, parsed.
        size: bytes of its stored layers.
    """

    references: tuple[str, ...]
    config_digest: str
    diff_ids: tuple[str, ...]
    platform: ImagePlatform
    config: Mapping[str, Any] = field(compare=False, repr=False)
    size: int

    def __str__(self) -> str:
        return self.references[0] if self.references else f"image {self.config_digest}"


def check_architecture(image: ArchivedImage, architecture: str, where: str) -> None:
    """Check that an engine on Linux of this architecture runs the image.

    Args:
        image: of an archive.
        architecture: in Go's words, such as ``amd64``.
        where: the archive, for the error.

    Raises:
        ArchiveError: it is for another platform.
    """
    if not image.platform.runs_on(architecture):
        raise ArchiveError(
            f"{where}: {image} is an image for {image.platform}, the engine runs linux/{architecture} images",
            fix=f"build it with `docker build --platform linux/{architecture}`",
        )
