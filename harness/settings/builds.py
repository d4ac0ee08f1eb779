"""What making images takes of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class BuildSettings(Protocol):
    """The part of :class:`harness.settings.Settings` that making images needs."""

    @property
    def build_timeout(self) -> float:
        """Seconds that the build of one image may take."""

    @property
    def ca_bundle(self) -> Path | None:
        """The CA bundle for builds; ``None`` for the one of this machine."""

    @property
    def base_images(self) -> Sequence[tuple[str, str]]:
        """Bases that Dockerfiles name, with the images that are taken."""

    @property
    def build_urls(self) -> Sequence[tuple[str, str]]:
        """URLs that Dockerfiles name, with the files and addresses that are taken."""

    @property
    def cache(self) -> Path:
        """The folder for downloads and prepared data."""

    @property
    def scratch(self) -> Path:
        """The folder for large temporary data."""

    @property
    def state(self) -> Path:
        """The folder for locks and logs, which all processes of a user share."""
