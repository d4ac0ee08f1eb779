"""Load images of archives and registries into the engine, under names of the harness: the user's tags are kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness import engine
from harness.artefacts.archive import ArchivedImage, ImageArchive
from harness.common.progress import OnProgress
from harness.common.references import split_reference
from harness.engine.logins import FoundLogin, StoredLogin
from harness.errors import ImageError
from harness.images import temporary_names

if TYPE_CHECKING:
    from docker import APIClient

DELIVERED = "kaapana-harness/delivered"
"""Repository under which such an image stays in the engine, with the digest of its configuration as the tag."""
_LOAD_S = 1800.0
_PULL_S = 600.0
_EVERY_S = 3.0


def make_name(repository: str, config_digest: str) -> str:
    """Return the name under which a repository of the harness keeps an image of an archive."""
    return f"{repository}:{config_digest.removeprefix('sha256:')[:24]}"


def make_kept_name(config_digest: str) -> str:
    """Return the name under which an image stays in the engine."""
    return make_name(DELIVERED, config_digest)


def load(archive: ImageArchive, architecture: str, say: OnProgress) -> None:
    """Load the images of an archive, all at once: a layer that several have is sent once.

    Images that the engine already has are not read again, and images that it cannot run are left out.

    Args:
        archive: the archive.
        architecture: of the engine.
        say: gets a line every few seconds.

    Raises:
        ArchiveError: the archive is damaged.
        ImageError: the engine does not take it.
    """
    api = engine.connect_api(timeout_s=_LOAD_S)
    try:
        missing = {
            make_kept_name(image.config_digest): image
            for image in archive.images
            if image.platform.runs_on(architecture) and not _is_kept(api, image)
        }
        if missing:
            say(f"loading {len(missing)} images from {archive.path.name}")
            blocks = archive.stream(missing, on_bytes=_progress(archive.path.name, say))
            engine.load_images(api, blocks, str(archive.path))
    finally:
        api.close()


def ensure(archive: ImageArchive, image: ArchivedImage, architecture: str, say: OnProgress) -> str:
    """Return the id in the engine of an image of an archive, which is loaded if the engine lacks this one.

    Raises:
        ArchiveError: the archive is damaged.
        ImageError: the engine does not take it.
    """
    name = make_kept_name(image.config_digest)
    api = engine.connect_api()
    try:
        if found := engine.find_image(api, name):
            return str(found["Id"])
        load(archive, architecture, say)
        return _find_loaded(api, name, str(image))
    finally:
        api.close()


def _is_kept(api: APIClient, image: ArchivedImage) -> bool:
    import docker

    name = make_kept_name(image.config_digest)
    if engine.find_image(api, name):
        return True
    found = engine.find_image(api, image.config_digest)
    if found is None:
        return False
    # the same configuration, and with it the same layers: built here, or loaded by the user
    try:
        _keep(api, str(found["Id"]), name)
    except docker.errors.NotFound:
        # removed in between
        return False
    return True


def pull(pinned: str, config_digest: str, say: OnProgress, *, login: tuple[str, str] | None = None) -> str:
    """Pull one image by its digest; one that the engine has already is not asked for.

    One process at a time does it: the name under which the engine pulls is taken away again.

    Args:
        pinned: ``registry/repository@sha256:...``.
        config_digest: of the image.
        say: gets a line when it begins.
        login: name and password; by default what ``docker login`` has left.

    Returns:
        Its id in the engine.

    Raises:
        ImageError: the registry or the engine refuses.
    """
    import docker
    import requests

    name = make_kept_name(config_digest)
    api = engine.connect_api(timeout_s=_PULL_S)
    try:
        if found := engine.find_image(api, name):
            return str(found["Id"])
        with temporary_names.lock_names([pinned]):
            if found := engine.find_image(api, name):
                return str(found["Id"])
            say(f"pulling {pinned}")
            _pull(api, pinned, name, FoundLogin(StoredLogin(*login)) if login else None)
        return _find_loaded(api, name, pinned)
    except (docker.errors.APIError, requests.RequestException, engine.TransferError) as error:
        raise ImageError(f"{pinned} cannot be pulled", last_seen=engine.read_message(error)) from None
    finally:
        api.close()


def _pull(api: APIClient, pinned: str, name: str, found: FoundLogin | None) -> None:
    before = engine.find_image(api, pinned)
    for _ in engine.pull(api, pinned, found):
        pass
    image = engine.find_image(api, pinned)
    if image is None:
        raise ImageError(f"the engine has pulled {pinned}, but does not have it")
    _keep(api, str(image["Id"]), name)
    if before is None:
        # the engine must not look as if its user had pulled it
        engine.remove_image(api, pinned, noprune=True)


def _keep(api: APIClient, image_id: str, name: str) -> None:
    repository, tag = split_reference(name)
    api.tag(image_id, repository, tag)


def _find_loaded(api: APIClient, name: str, shown: str) -> str:
    found: dict[str, Any] | None = engine.find_image(api, name)
    if found is None:
        raise ImageError(f"the engine has taken {shown}, but does not have it")
    return str(found["Id"])


def _progress(shown: str, say: OnProgress) -> Callable[[int, int], None]:
    """Report every few seconds how far it is."""
    reported = time.monotonic()

    def on_bytes(read: int, total: int) -> None:
        nonlocal reported
        if time.monotonic() - reported >= _EVERY_S:
            reported = time.monotonic()
            say(f"loading {shown}: {read / 1e6:.0f} of {total / 1e6:.0f} MB")

    return on_bytes
