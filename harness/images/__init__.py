"""Images: those of the harness, made on this machine, and those of extensions.

::

    ensure("services", settings=settings)            tag of an image of the harness, which is made when it is missing
    ensure_all(["airflow", "minio"], settings=...)   several, independent ones at the same time
    build_extension_image(folder, tag, settings=...) a container of an extension
    RegistryClient("localhost:5000")                 queries of a registry, and pushes
    list_images(settings), prune(settings)           images on this machine, and removal of superseded ones
"""

from __future__ import annotations

from harness.images.build import build_image
from harness.images.cleanup import LocalImage, list_images, prune
from harness.images.extension_image import build_extension_image
from harness.images.registry import RegistryClient
from harness.images.resolve import compute_tags, ensure, ensure_all
from harness.images.site import SiteSettings

__all__ = [
    "LocalImage",
    "RegistryClient",
    "SiteSettings",
    "build_extension_image",
    "build_image",
    "compute_tags",
    "ensure",
    "ensure_all",
    "list_images",
    "prune",
]
