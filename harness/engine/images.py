"""Images in the engine: look one up, identify it, load an archive."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from harness.engine.connection import connect_api, find_error_in_text, raise_for_status, read_message
from harness.engine.transfers import TransferError, load
from harness.errors import ImageError

if TYPE_CHECKING:
    from docker import APIClient

# how an engine whose images are kept by containerd ends an answer that says "Loaded image" before (Docker 28.5)
_UNPACKING: Final = re.compile(r"Error unpacking image (?P<name>\S+): (?P<words>.*)", re.DOTALL)

_BLOCK: Final = 1 << 20
# an engine with its own image store answers when it has copied all of them
_SILENT_S: Final = 600.0
_TAR_END: Final = bytes(1024)
# bytes at the end of an archive in which a message of the engine is looked for
_MESSAGE: Final = 1 << 16

LABEL_NAME = "kaapana-harness.image"
"""Label of every image that was made here: the name in the catalogue, or ``extension``."""
LABEL_SOURCE = "kaapana-harness.source"
"""Label of an image that was not built from packages: the reference that was pulled."""


def find_image(engine: APIClient, reference: str) -> dict[str, Any] | None:
    """Return the engine's description of an image, or ``None``; no image has a name that is not valid."""
    import docker

    try:
        found: dict[str, Any] = engine.inspect_image(reference)  # type: ignore[no-untyped-call]
    except docker.errors.NotFound:
        return None
    except docker.errors.APIError as error:
        if error.status_code == 400:
            return None
        raise
    return found


def remove_image(engine: APIClient, reference: str, *, noprune: bool = False) -> bool:
    """Remove a name of an image, with the image if it was its last one and nothing uses it.

    Args:
        engine: a client.
        reference: the name, or the id of an image without one.
        noprune: leave its parents, also those that have no name.

    Returns:
        Whether it was removed: not if something uses it, or if it is gone.

    Raises:
        docker.errors.APIError: the engine refuses for another reason.
    """
    import docker

    try:
        engine.remove_image(reference, noprune=noprune)
    except docker.errors.APIError as error:
        # when two clients remove the same image, Docker 20.10 answers one of them with 500: "unrecognized image ID"
        if error.status_code not in {404, 409} and find_image(engine, reference):
            raise
        return False
    return True


def find_ids(engine: APIClient, images: Mapping[str, str]) -> dict[str, str]:
    """Return the ids of images; each image is asked for once, however many references it has.

    Args:
        engine: a client.
        images: what pods call an image to its id or name in the engine.

    Returns:
        What pods call an image to its id.

    Raises:
        ImageError: the engine does not have one of them.
    """
    found: dict[str, str] = {}
    for reference, name in images.items():
        if name not in found:
            image = find_image(engine, name)
            if image is None:
                raise ImageError(f"the engine has no image {name!r} to use as {reference}")
            found[name] = str(image["Id"])
    return {reference: found[name] for reference, name in images.items()}


def read_labels(image: dict[str, Any]) -> dict[str, str]:
    """Return the labels of an inspected image."""
    return dict((image.get("Config") or {}).get("Labels") or {})


def compute_identity(image: dict[str, Any]) -> str:
    """Return a digest of an inspected image's content, which is the same in every engine.

    The id is another one in an engine with containerd's store, and after an archive has passed through one.
    """
    configuration = image.get("Config") or {}
    values = [configuration.get(key) or None for key in ("Env", "Entrypoint", "Cmd", "User", "WorkingDir")]
    return hashlib.sha256(json.dumps([read_layers(image), *values]).encode()).hexdigest()


def read_layers(image: dict[str, Any]) -> tuple[str, ...]:
    """Return the digests of the uncompressed layers of an inspected image, the lowest first."""
    return tuple((image.get("RootFS") or {}).get("Layers") or ())


def find_layers(reference: str) -> tuple[str, ...]:
    """Return the digests of the uncompressed layers of an image of the engine; empty when it does not have it."""
    engine = connect_api()
    try:
        return read_layers(find_image(engine, reference) or {})
    finally:
        engine.close()


def save_images(engine: APIClient, names: Iterable[str]) -> Iterator[bytes]:
    """Yield the blocks of an archive of images, as ``docker save`` makes it.

    An engine that fails after it has begun to answer can only write its message behind the archive. So whoever uses
    the blocks has to throw away the result if an error follows them.

    Args:
        engine: a client.
        names: of the images, with their tags.

    Raises:
        ImageError: the engine refuses or fails, with its own words.
    """
    import requests

    end = b""
    try:
        # get_image of docker-py saves one name only; the engine takes several
        url = f"{engine.base_url}/v{engine.api_version}/images/get"
        with engine.get(url, params={"names": list(names)}, stream=True, timeout=_SILENT_S) as answer:
            raise_for_status(answer)
            for block in answer.iter_content(_BLOCK):
                end = (end + block)[-_MESSAGE:]
                yield block
    except requests.RequestException as error:
        raise ImageError("the images cannot be saved", last_seen=read_message(error)) from None
    if not end.endswith(_TAR_END):
        message = find_error_in_text(end[max(0, end.rfind(b'{"error')) :].decode("utf-8", "replace"))
        raise ImageError("the images cannot be saved", last_seen=message or "the archive ends early")


def load_images(engine: APIClient, archive: Iterable[bytes], shown: str) -> None:
    """Load an archive of images into the engine.

    Args:
        engine: a client with patience.
        archive: the blocks of a tar file.
        shown: how messages name it.

    Raises:
        ImageError: the engine refuses, with its own words.
    """
    import docker

    try:
        for event in load(engine, archive):
            if damaged := _UNPACKING.match(str(event.get("stream", "")) if isinstance(event, dict) else ""):
                # containerd has it all the same, and would be asked for it by its name the next time
                with contextlib.suppress(docker.errors.APIError):
                    remove_image(engine, damaged["name"])
                raise ImageError(f"the engine does not load {shown}", last_seen=damaged["words"].strip())
    except TransferError as error:
        raise ImageError(f"the engine does not load {shown}", last_seen=str(error)) from None
