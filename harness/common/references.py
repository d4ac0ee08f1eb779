"""Check references of images, split them, and convert between the two notations of the same reference."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.wire.images import HOST, host_of, match_reference

_SHOWN = 400
_PUBLIC = "docker.io"
_PUBLIC_API = "registry-1.docker.io"


def split_reference(reference: str) -> tuple[str, str]:
    """Return the name of an image, and its tag or digest: ``localhost:5000/tool`` has the tag ``latest``.

    Of a reference with both the digest counts, as for engines and nodes.
    """
    named, _, digest = reference.partition("@")
    path, slash, last = named.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{path}{slash}{last}", digest or tag or "latest"


def join_reference(name: str, version: str) -> str:
    """Return the reference of a name with a tag or a digest, the opposite of :func:`split_reference`."""
    return f"{name}{'@' if is_digest(version) else ':'}{version}"


def is_digest(version: str) -> bool:
    """Return whether that is a digest, and not a tag."""
    return ":" in version


def find_last_part(reference: str) -> str:
    """Return the name of an image without registry, path and tag."""
    return split_reference(reference)[0].rpartition("/")[2]


def parse_reference(reference: str) -> tuple[str, str, str]:
    """Return host, repository, and tag or digest; a reference without a host means Docker's own registry."""
    name, version = split_reference(to_canonical(reference))
    host, _, repository = name.partition("/")
    return host, repository, version


def served_path(reference: str, own: str, served: Mapping[str, str]) -> str | None:
    """Return a reference as a registry knows it that also has the images of others.

    Args:
        reference: of an image, or a repository.
        own: the registry's name.
        served: names of the others, and what the repositories of their hosts begin with there.

    Returns:
        The part behind the registry's name; ``None`` for a reference of another registry.
    """
    if reference.startswith(f"{own}/"):
        return reference.removeprefix(f"{own}/")
    for name, prefix in served.items():
        if reference.startswith(f"{name}/"):
            return f"{prefix}/{reference.partition('/')[2]}"
    return None


def is_host(text: str) -> bool:
    """Return whether a registry can have this address in references: ``host[:port]``."""
    return re.fullmatch(HOST, text, re.ASCII) is not None


def is_public(host: str) -> bool:
    """Return whether a host is Docker's own registry, under any of its names."""
    return host in {_PUBLIC, f"index.{_PUBLIC}", _PUBLIC_API}


def api_host(host: str) -> str:
    """Return the host that answers for a registry: Docker's own has another one than its images' names."""
    return _PUBLIC_API if is_public(host) else host


def login_host(host: str) -> str:
    """Return the host under which ``docker login`` keeps the login of a registry."""
    return _PUBLIC if is_public(host) else host


def normalise(reference: str) -> str:
    """Return a reference as the engine shows it, with a tag: ``docker.io/library/x`` is ``x:latest``.

    Raises:
        ValueError: it is not a reference, or one by digest.
    """
    match = match_reference(reference)
    # a digest names no image that an archive could be loaded under
    if not match or match["digest"]:
        raise ValueError(f"{reference[:_SHOWN]!r} is not a reference of an image with a tag")
    return to_familiar(to_canonical(reference))


def to_canonical(reference: str) -> str:
    """Return containerd's notation of an image reference: ``a:1`` is ``docker.io/library/a:1``."""
    first, slash, rest = reference.partition("/")
    if first == f"index.{_PUBLIC}":
        first, reference = _PUBLIC, f"{_PUBLIC}/{rest}"
    if not host_of(reference):
        reference = f"{_PUBLIC}/{reference}" if slash else f"{_PUBLIC}/library/{reference}"
    elif first == _PUBLIC and "/" not in rest:
        reference = f"{_PUBLIC}/library/{rest}"
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def to_familiar(reference: str) -> str:
    """Return the opposite of :func:`canonical`, as the engine's program writes it."""
    return reference.removeprefix(f"{_PUBLIC}/").removeprefix("library/")
