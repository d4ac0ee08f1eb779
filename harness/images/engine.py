"""The container engine, as the image part needs it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from harness.errors import EngineError, ImageError

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


def id_of(engine: APIClient, name: str, reference: str) -> str:
    """Return the id of an image.

    Args:
        engine: a client.
        name: of the image in the engine.
        reference: what pods call it.

    Raises:
        ImageError: the engine does not have it.
    """
    found = find_image(engine, name)
    if found is None:
        raise ImageError(f"the engine has no image {name!r}, which is to be {reference}")
    return str(found["Id"])


def image_labels(image: dict[str, Any]) -> dict[str, str]:
    """The labels of an inspected image."""
    return dict((image.get("Config") or {}).get("Labels") or {})


def layers(image: dict[str, Any]) -> tuple[str, ...]:
    """The digests of the uncompressed layers of an inspected image, the lowest first."""
    return tuple((image.get("RootFS") or {}).get("Layers") or ())


def layers_of(reference: str) -> tuple[str, ...]:
    """The digests of the uncompressed layers of an image of the engine; empty when it does not have it."""
    engine = client()
    try:
        return layers(find_image(engine, reference) or {})
    finally:
        engine.close()


def architecture() -> str:
    """The architecture of the images that the engine runs, as images name it: ``amd64``.

    Raises:
        EngineError: no engine answers.
    """
    engine = client()
    try:
        return str(engine.version()["Arch"])
    finally:
        engine.close()


def load_images(engine: APIClient, archive: Iterable[bytes], shown: str) -> None:
    """Let the engine take in an archive of images.

    Args:
        engine: a client with patience.
        archive: the blocks of a tar file.
        shown: how messages name it.

    Raises:
        ImageError: the engine refuses, with its own words.
    """
    import docker
    import requests

    try:
        for event in engine.load_image(archive) or ():  # type: ignore[no-untyped-call]
            # a request that fails as a whole is answered by one line with its message
            trouble = event.get("error") or event.get("message") if isinstance(event, dict) else None
            if trouble:
                raise ImageError(f"the engine does not load {shown}", last_seen=str(trouble))
    except (docker.errors.APIError, requests.RequestException) as error:
        words = getattr(error, "explanation", None) or error
        raise ImageError(f"the engine does not load {shown}", last_seen=str(words)) from None
