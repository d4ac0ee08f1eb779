"""The container engine, as the image part needs it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.errors import EngineError

if TYPE_CHECKING:
    from docker import APIClient

LABEL_NAME = "kaapana-harness.image"
"""Label of every image that was made here: the name in the catalogue, or ``extension``."""
LABEL_SOURCE = "kaapana-harness.source"
"""Label of an image that was not built from packages: the reference that was pulled."""


def client(timeout_s: float = 60.0) -> APIClient:
    """A client of the engine that the environment names, ``DOCKER_HOST`` or the usual socket.

    Args:
        timeout_s: seconds without an answer until a request fails.

    Raises:
        EngineError: it does not answer, or may not be used.
    """
    import docker
    from docker.utils import kwargs_from_env

    try:
        engine = docker.APIClient(version="auto", timeout=math.ceil(timeout_s), **kwargs_from_env())
    except docker.errors.DockerException as error:
        raise EngineError(
            "no container engine answers",
            last_seen=str(error),
            fix="start Docker, or name its socket in DOCKER_HOST; `kaapana-harness doctor` says more",
        ) from None
    return engine


def find_image(engine: APIClient, reference: str) -> dict[str, Any] | None:
    """The engine's description of an image, or ``None``."""
    import docker

    try:
        found: dict[str, Any] = engine.inspect_image(reference)  # type: ignore[no-untyped-call]
    except docker.errors.NotFound:
        return None
    return found


def image_labels(image: dict[str, Any]) -> dict[str, str]:
    """The labels of an inspected image."""
    return dict((image.get("Config") or {}).get("Labels") or {})
