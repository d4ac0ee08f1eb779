"""Archives of images (``docker save``), loaded without disturbing the names of the user's own images."""

from __future__ import annotations

import contextlib
import json
import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from harness.errors import ImageError, UsageError

if TYPE_CHECKING:
    import docker


def contents(archive: Path) -> dict[str, str]:
    """The references in an archive and the ids of their images.

    Raises:
        UsageError: the file is no archive of images.
    """
    try:
        with tarfile.open(archive) as file:
            member = file.extractfile("manifest.json")
            entries: list[dict[str, Any]] = json.load(member) if member else []
        return {
            # "<id>.json" in old archives, "blobs/sha256/<id>" in new ones
            reference: "sha256:" + PurePosixPath(entry["Config"]).name.removesuffix(".json")
            for entry in entries
            for reference in entry.get("RepoTags") or ()
        }
    except (OSError, tarfile.TarError, KeyError, ValueError, TypeError) as error:
        raise UsageError(
            f"{archive} is no archive of images: {error}", fix="make it with `docker save -o FILE IMAGE...`"
        ) from None


def load(client: docker.DockerClient, archive: Path, *, keep_as: str) -> dict[str, str]:
    """Load an archive.

    Args:
        client: the engine.
        archive: the file.
        keep_as: repository under which the images stay in the engine, one tag each; the names in the archive are
            put back to what they were.

    Returns:
        Reference to id of its image in the engine.

    Raises:
        UsageError: the file is no archive of images.
        ImageError: the engine does not take it.
    """
    import docker.errors

    wanted = contents(archive)
    before = {reference: _id_of(client, reference) for reference in wanted}
    try:
        with archive.open("rb") as file:
            for line in client.api.load_image(file) or ():  # type: ignore[no-untyped-call]
                if isinstance(line, dict) and line.get("error"):
                    raise ImageError(f"the engine does not load {archive}", last_seen=str(line["error"]))
    except docker.errors.APIError as error:
        raise ImageError(f"the engine does not load {archive}", last_seen=str(error)) from None
    found: dict[str, str] = {}
    for reference in wanted:
        image = _id_of(client, reference)
        if image is None:
            raise ImageError(f"the engine has loaded {archive} but knows no image {reference}")
        found[reference] = image
        client.api.tag(image, keep_as, image.removeprefix("sha256:")[:24])
        earlier = before[reference]
        if earlier == image:
            continue
        if earlier:
            repository, _, tag = reference.rpartition(":")
            client.api.tag(earlier, repository, tag)
        else:
            with contextlib.suppress(docker.errors.ImageNotFound):
                client.api.remove_image(reference, noprune=True)
    return found


def _id_of(client: docker.DockerClient, reference: str) -> str | None:
    import docker.errors

    try:
        return str(client.images.get(reference).id)
    except docker.errors.ImageNotFound:
        return None
