"""Read what a registry has for one image: the digests that identify it, and the platforms that it is for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.errors import ImageError
from harness.images.registry import RegistryClient

_PUBLIC = "registry-1.docker.io"
_PATIENCE_S = 5.0


@dataclasses.dataclass(frozen=True)
class RemoteImage:
    """One image of a registry.

    Attributes:
        digest: of the manifest, by which it is pulled.
        config_digest: of its configuration, by which engines know it.
        layers: digests of the uncompressed layers, the lowest first.
        platforms: ``os/architecture`` of all that the tag offers.
        platform_fits: whether one of them is linux with the architecture that was asked for.
    """

    digest: str
    config_digest: str
    layers: tuple[str, ...]
    platforms: tuple[str, ...]
    platform_fits: bool


def resolve(client: RegistryClient, repository: str, tag: str, architecture: str) -> RemoteImage | None:
    """Return what a tag means for an engine of this architecture, or ``None`` where the registry has no such tag.

    Raises:
        EnvironmentError_: the registry does not answer, or refuses.
        ImageError: what it has is not an image.
    """
    found = client.manifest(repository, tag)
    if found is None:
        return None
    digest, document = found
    shown = f"{client.address}/{repository}:{tag}"
    offered: tuple[str, ...] = ()
    if "manifests" in document:
        entries = [entry for entry in document["manifests"] if _platform(entry.get("platform") or {}) is not None]
        offered = tuple(str(_platform(entry["platform"])) for entry in entries)
        fitting = [entry for entry in entries if _platform(entry["platform"]) == f"linux/{architecture}"]
        if not fitting:
            return RemoteImage(digest, "", (), offered, False)
        digest = str(fitting[0]["digest"])
        found = client.manifest(repository, digest)
        if found is None:
            raise ImageError(f"{shown} names the manifest {digest}, but the registry does not have it")
        document = found[1]
    config = (document.get("config") or {}).get("digest")
    if not config:
        raise ImageError(f"{shown} is not an image that an engine takes", last_seen=str(document.get("mediaType", "")))
    content = client.blob(repository, str(config))
    own = _platform(content) or "unknown"
    layers = tuple(str(layer) for layer in (content.get("rootfs") or {}).get("diff_ids") or ())
    return RemoteImage(digest, str(config), layers, offered or (own,), own == f"linux/{architecture}")


def _platform(entry: Mapping[str, Any]) -> str | None:
    """``os/architecture``; ``None`` for what is not an image, such as a build's attestation."""
    system, architecture = str(entry.get("os", "")), str(entry.get("architecture", ""))
    return None if "unknown" in (system, architecture) or not system else f"{system}/{architecture}"


def exists(reference: str) -> bool:
    """Return whether the registry that a full reference names has it.

    Raises:
        EnvironmentError_: the registry does not answer, or refuses.
    """
    host, repository, tag = _parts(reference)
    with RegistryClient(host, timeout_s=_PATIENCE_S) as client:
        return client.digest(repository, tag) is not None


def _parts(reference: str) -> tuple[str, str, str]:
    """Host, repository and tag or digest; a reference without a host means Docker's own registry."""
    name, _, digest = reference.partition("@")
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = _PUBLIC, name if slash else f"library/{name}"
    elif first == "docker.io":
        first, rest = _PUBLIC, rest if "/" in rest else f"library/{rest}"
    repository, _, tag = rest.rpartition(":") if ":" in rest.rpartition("/")[2] else (rest, "", "latest")
    return first, repository, digest or tag
