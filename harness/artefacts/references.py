"""Check references of images, and convert between the two notations of the same reference."""

from __future__ import annotations

import re

# the grammar of github.com/distribution/reference; a digest names no image that an archive could be loaded under
_DOMAIN = r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(rf"(?P<name>(?:{_DOMAIN}/)?{_PATH}(?:/{_PATH})*)(?::\w[\w.-]{{0,127}})?", re.ASCII)
_LONGEST_NAME = 255
_LONGEST = 400


def normalise(reference: str) -> str:
    """Return a reference as the engine shows it, with a tag: ``docker.io/library/x`` is ``x:latest``.

    Raises:
        ValueError: it is not a reference, or one by digest.
    """
    match = _REFERENCE.fullmatch(reference) if len(reference) <= _LONGEST else None
    if not match or len(match["name"]) > _LONGEST_NAME:
        raise ValueError(f"{reference[:_LONGEST]!r} is not a reference of an image with a tag")
    return familiar(canonical(reference))


def canonical(reference: str) -> str:
    """containerd's notation of an image reference: ``a:1`` is ``docker.io/library/a:1``."""
    first, slash, rest = reference.partition("/")
    if first == "index.docker.io":
        first, reference = "docker.io", f"docker.io/{rest}"
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        reference = f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"
    elif first == "docker.io" and "/" not in rest:
        reference = f"docker.io/library/{rest}"
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def familiar(reference: str) -> str:
    """Return the opposite of :func:`canonical`, as the engine's program writes it."""
    return reference.removeprefix("docker.io/").removeprefix("library/")
