"""Find similar images in the platform's registry for one that could not be pulled.

A node only says ``not found``, on every kind of cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.common.references import split_reference
from harness.common.repositories import join_names
from harness.errors import PlatformError

if TYPE_CHECKING:
    from harness.platform.registry import PlatformRegistry


def explain(registry: PlatformRegistry, image: str, message: str) -> str:
    """Return the message about a failed pull, with the names that the registry has.

    Args:
        registry: of the platform.
        image: the reference that was asked for.
        message: of the node.
    """
    # on a shared cluster with the digest that it had when it was pushed
    named, digest, _ = image.partition("@")
    repository, tag = split_reference(named)
    by_digest_alone = bool(digest) and named == repository
    if by_digest_alone or not registry.serves(image):
        return message
    try:
        held = registry.look_up(repository)
    except PlatformError as error:
        return f"{message.rstrip()}; {error.cause}"
    if held.has(tag):
        return message
    _, _, name = repository.partition("/")
    if held.tags:
        return f"{message.rstrip()}; no tag {tag}; tags of {name}: {join_names(held.tags)}"
    return f"{message.rstrip()}; no repository {name}; the registry has: {join_names(held.others) or 'nothing'}"
