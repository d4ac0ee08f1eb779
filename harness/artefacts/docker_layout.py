"""Read ``manifest.json``, the layout of ``docker save``, ``podman save --format docker-archive`` and of build tools.

Configurations are ``<hex>.json``, ``sha256:<hex>`` or a blob, layers are files of any name, or links to such.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from harness.artefacts import schemas
from harness.artefacts.archived_image import LayerName, MissingPartError, StoredImage, check_shape, read_image
from harness.artefacts.members import Members
from harness.artefacts.model import ArchiveError
from harness.common import references
from harness.common.documents import abridge_text

DOCUMENT = "manifest.json"
_CONFIG = re.compile(r"(?:sha256:)?([0-9a-f]{64})(?:\.json)?")
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")


def read(members: Members) -> list[tuple[list[str], StoredImage]]:
    """Return the images of a Docker layout, each with its references; no layer is read.

    Raises:
        ArchiveError: a document is missing, damaged or of the wrong shape, or a layer is missing.
    """
    where = members.path
    manifest = members.find(DOCUMENT)
    if manifest is None:
        raise MissingPartError(f"{where}: {DOCUMENT} is a link to a file that is not in the archive")
    entries = members.document(manifest)
    what = f"{where} is not an archive of images: {DOCUMENT} is of the wrong shape"
    check_shape(entries, schemas.DOCKER_MANIFEST, what)
    found = []
    for entry in entries:
        names = [_normalise(members, name) for name in entry.get("RepoTags") or ()]
        label = names[0] if names else f"image {abridge_text(entry['Config'])}"
        config = members.find(entry["Config"])
        if config is None:
            raise MissingPartError(
                f"{where}: {label}: its configuration {abridge_text(entry['Config'])} is not in the archive"
            )
        stated = _CONFIG.fullmatch(PurePosixPath(entry["Config"]).name)
        layers = [LayerName(name, _digest_in(name)) for name in entry["Layers"] or ()]
        image = read_image(members, config, f"sha256:{stated[1]}" if stated else "", layers, label)
        found.append((names, image))
    return found


def _digest_in(name: str) -> str:
    stated = _BLOB.fullmatch(name.removeprefix("./"))
    return f"sha256:{stated[1]}" if stated else ""


def _normalise(members: Members, name: str) -> str:
    try:
        return references.normalise(name)
    except ValueError as error:
        raise ArchiveError(f"{members.path}: {DOCUMENT}: {abridge_text(str(error))}") from None
