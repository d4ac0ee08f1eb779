"""Names in the engine that are lent to images: for a push or for an archive, and no longer.

The tags in the engine belong to its user. A name that an image gets here for a moment means afterwards what it meant
before, and two processes that need the same name wait for each other.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from harness import engine
from harness.common.locking import hold_lock
from harness.common.references import is_digest, split_reference, to_canonical
from harness.errors import ImageError
from harness.settings import folders

if TYPE_CHECKING:
    from docker import APIClient

# a lock file is never removed, and a registry of an environment has a new address each time
_LOCKS = 64
# enough for a large image and a distant registry
_PATIENCE_S = 3600.0


@contextlib.contextmanager
def lock_names(names: Iterable[str]) -> Iterator[None]:
    """Hold the locks of names in the engine, among all processes and threads of this user.

    Raises:
        PlatformError: another process has held one of them for an hour.
    """
    shares: dict[int, str] = {}
    for name in names:
        shares.setdefault(zlib.crc32(to_canonical(name).encode()) % _LOCKS, name)
    folder = folders.state() / "locks"
    with contextlib.ExitStack() as stack:
        # in one order, so that two processes that need several of them do not wait for each other
        for number, name in sorted(shares.items()):
            path = folder / f"name-{number}.lock"
            stack.enter_context(hold_lock(path, timeout_s=_PATIENCE_S, purpose=f"the name {name} in the engine"))
        yield


@contextlib.contextmanager
def give_names(api: APIClient, names: Mapping[str, str]) -> Iterator[None]:
    """Give names to images in the engine for the length of the block.

    Args:
        api: the engine.
        names: reference with a tag to id or name of the image.

    Raises:
        ImageError: a reference is one by digest, which cannot be given.
        docker.errors.ImageNotFound: the engine does not have one of the images.
        docker.errors.APIError: it refuses a name.
    """
    for name in names:
        if is_digest(split_reference(name)[1]):
            raise ImageError(
                f"{name} names a digest: an image that is delivered has a tag", fix="name the image by a tag"
            )
    with lock_names(names), contextlib.ExitStack() as stack:
        for name, image in names.items():
            stack.enter_context(_give_name(api, name, image))
        yield


@contextlib.contextmanager
def _give_name(api: APIClient, name: str, image: str) -> Iterator[None]:
    import docker

    repository, tag = split_reference(name)
    before = _find_id(api, name)
    given = _find_id(api, image)
    if given is None:
        raise docker.errors.ImageNotFound(f"No such image: {image}")
    if before == given:
        yield
        return
    try:
        api.tag(given, repository, tag)
        yield
    finally:
        # another process may have changed or removed the name in between: leave it
        if _find_id(api, name) == given:
            if before and _find_id(api, before):
                with contextlib.suppress(docker.errors.NotFound):
                    api.tag(before, repository, tag)
            else:
                engine.remove_image(api, name, noprune=True)


def _find_id(api: APIClient, name: str) -> str | None:
    found = engine.find_image(api, name)
    return str(found["Id"]) if found else None
