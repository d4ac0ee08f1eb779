"""Read the manifests of one image in a registry: its digests and its platforms."""

from __future__ import annotations

import dataclasses
from typing import Any

from harness.common.references import join_reference, parse_reference
from harness.errors import ImageError
from harness.images.registry import RegistryClient

_PATIENCE_S = 5.0


@dataclasses.dataclass(frozen=True)
class RemoteImage:
    """One image of a registry.

    Attributes:
        digest: of the manifest, by which it is pulled.
        config_digest: of its configuration, by which engines know it.
        layers: digests of the uncompressed layers, the lowest first.
        platforms: ``os/architecture`` of all images of the tag.
        platform_fits: whether one of them is linux with the architecture that was asked for.
    """

    digest: str
    config_digest: str
    layers: tuple[str, ...]
    platforms: tuple[str, ...]
    platform_fits: bool


def resolve(client: RegistryClient, repository: str, tag: str, architecture: str) -> RemoteImage | None:
    """Return the image of a tag for an engine of this architecture, or ``None`` if the registry has no such tag.

    Raises:
        PlatformError: the registry does not answer, or refuses.
        ImageError: the tag is not an image.
    """
    found = client.manifest(repository, tag)
    if found is None:
        return None
    digest, document = found
    shown = join_reference(f"{client.address}/{repository}", tag)
    offered: tuple[str, ...] = ()
    if "manifests" in document:
        entries = [(_platform(_object(entry).get("platform")), entry) for entry in _list(document["manifests"])]
        offered = tuple(platform for platform, _ in entries if platform)
        fitting = [entry for platform, entry in entries if platform == f"linux/{architecture}"]
        if not fitting:
            return RemoteImage(digest, "", (), offered, False)
        digest = str(fitting[0].get("digest"))
        found = client.manifest(repository, digest)
        if found is None:
            raise ImageError(f"{shown} names the manifest {digest}, but the registry does not have it")
        document = found[1]
    config = _object(document.get("config")).get("digest")
    if not isinstance(config, str) or not config:
        raise ImageError(f"{shown} is not an image that an engine takes", last_seen=str(document.get("mediaType", "")))
    content = client.blob(repository, config)
    own = _platform(content) or "unknown"
    layers = tuple(str(layer) for layer in _list(_object(content.get("rootfs")).get("diff_ids")))
    return RemoteImage(digest, config, layers, offered or (own,), own == f"linux/{architecture}")


def _platform(entry: object) -> str | None:
    """Return ``os/architecture``; ``None`` for other entries, such as a build's attestation."""
    known = _object(entry)
    system, architecture = str(known.get("os", "")), str(known.get("architecture", ""))
    return None if "unknown" in (system, architecture) or not system else f"{system}/{architecture}"


def _object(value: object) -> dict[str, Any]:
    """Return an object of a registry's answer; empty for other types."""
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def exists(reference: str) -> bool:
    """Return whether the registry that a full reference names has it.

    Raises:
        PlatformError: the registry does not answer, or refuses.
    """
    host, repository, tag = parse_reference(reference)
    with RegistryClient(host, timeout_s=_PATIENCE_S) as client:
        return client.digest(repository, tag) is not None
