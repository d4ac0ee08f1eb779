"""References of images and their grammar, as the host and the docker cluster's node check them."""

from __future__ import annotations

import re
from typing import Final

DOCKER_HUB: Final = "index.docker.io"
"""Docker's own registry, as logins name it."""

# the grammar of github.com/distribution/reference
HOST: Final = r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PATH: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_TAG: Final = r"\w[\w.-]{0,127}"
_REFERENCE: Final = re.compile(
    rf"(?P<name>(?:{HOST}/)?{_PATH}(?:/{_PATH})*)(?::(?P<tag>{_TAG}))?(?:@(?P<digest>sha256:[0-9a-f]{{64}}))?", re.ASCII
)
_LONGEST_NAME: Final = 255
# with a tag and a digest
_LONGEST: Final = _LONGEST_NAME + len(":") + 128 + len("@sha256:") + 64

MANIFEST_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
"""Media types that a pull accepts; without them a registry answers with an outdated format or 404."""


def match_reference(reference: str) -> re.Match[str] | None:
    """Return ``name``, ``tag`` and ``digest`` of a reference of an image; ``None``: it is not one."""
    match = _REFERENCE.fullmatch(reference) if len(reference) <= _LONGEST else None
    return match if match and len(match["name"]) <= _LONGEST_NAME else None


def host_of(reference: str) -> str:
    """Return the registry in a reference, ``host[:port]``; empty: Docker's own."""
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""
