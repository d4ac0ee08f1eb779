"""Find similar images in the platform's registry for one that could not be pulled.

A node only says ``not found``, on every kind of cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.common.references import split_reference
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
    if not registry.serves(image):
        return message
    try:
        absence = registry.look_up(split_reference(image)[0]).explain(image)
    except PlatformError as error:
        return f"{message.rstrip()}; {error.cause}"
    return "; ".join([message.rstrip(), *filter(None, absence)]) if absence else message
