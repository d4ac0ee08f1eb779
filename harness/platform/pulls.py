"""What the platform's registry has in the place of an image that could not be pulled.

The docker cluster says it in the pod's status; a node of Kubernetes only says ``not found``.
"""

from __future__ import annotations

import re

from harness.errors import EnvironmentError_
from harness.images import RegistryClient

_TOLD = re.compile(r"tags of |no repository ")


def told(registry: str, image: str, message: str) -> str:
    """The message about a failed pull, with the names that the registry has.

    Args:
        registry: ``host:port`` of the platform's registry.
        image: the reference that was asked for.
        message: of the node.
    """
    if not image.startswith(f"{registry}/") or _TOLD.search(message):
        return message
    # on a shared cluster with the digest that it had when it was pushed
    repository, _, tag = image.removeprefix(f"{registry}/").partition("@")[0].rpartition(":")
    if not repository:
        return message
    try:
        with RegistryClient(registry) as client:
            if tag in client.tags(repository):
                return message
            missing = client.missing(repository, tag)
    except EnvironmentError_ as error:
        return f"{message.rstrip()}; {error.cause}"
    return f"{message.rstrip()}; no tag {tag}; {missing}" if missing.startswith("tags of") else f"{message}; {missing}"
