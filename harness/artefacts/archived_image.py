"""An image in an archive: its documents, checked against its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jsonschema

from harness.artefacts import schemas
from harness.artefacts.members import Member, Members
from harness.artefacts.model import ArchivedImage, ArchiveError, ImagePlatform
from harness.common.documents import abridge_text


class MissingPartError(ArchiveError):
    """A document or a layer is named in the archive and is not in it."""


class LayerName(NamedTuple):
    """The place of a layer, and the stated digest (empty if none) and size of its stored bytes."""

    member: str
    digest: str = ""
    size: int | None = None


@dataclass(frozen=True)
class StoredLayer:
    """A layer in an archive.

    Attributes:
        member: the stored file.
        diff_id: digest of the uncompressed layer.
        digest: of the stored bytes; empty if the archive does not state it.
    """

    member: Member
    diff_id: str
    digest: str


@dataclass(frozen=True)
class StoredImage:
    """An image in an archive, without its names."""

    image: ArchivedImage
    config: Member
    layers: tuple[StoredLayer, ...]


def sha256(data: bytes) -> str:
    """Return the digest of some bytes, with its algorithm in front."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def blob(digest: str) -> str:
    """Return the name of the member that has this digest in an OCI layout."""
    return f"blobs/{digest.replace(':', '/')}"


def check_shape(document: Any, schema: Mapping[str, Any], what: str) -> None:
    """Check that a document has the shape that a reader of it relies on.

    Raises:
        ArchiveError: it has not; ``what`` starts the message.
    """
    # the first error is enough: all of a hostile document may take minutes to list
    error = next(jsonschema.Draft202012Validator(schema).iter_errors(document), None)
    if error is not None:
        raise ArchiveError(f"{what}: {error.json_path}: {abridge_text(error.message)}")


def read_image(members: Members, config: Member, digest: str, layers: Sequence[LayerName], label: str) -> StoredImage:
    """Return an image by its configuration; no layer is read.

    Args:
        members: of the archive.
        config: the file of the configuration.
        digest: that it is to have; empty if the archive does not state it.
        layers: the lowest first.
        label: the image in messages.

    Raises:
        MissingPartError: a layer is not there.
        ArchiveError: the configuration has another digest or shape, it has another number of layers than there are, or
            a layer has another size than stated.
    """
    data = members.read(config)
    found = sha256(data)
    where = f"{members.path}: {label}"
    if digest and found != digest:
        raise ArchiveError(f"{where}: its configuration {abridge_text(config.name)} is damaged: its digest is {found}")
    document = members.parse(config, data)
    check_shape(document, schemas.CONFIGURATION, f"{where}: its configuration is of the wrong shape")
    diff_ids = tuple(document["rootfs"]["diff_ids"] or ())
    if len(diff_ids) != len(layers):
        raise ArchiveError(f"{where} has {len(layers)} layers, its configuration names {len(diff_ids)}")
    stored = []
    for number, (name, diff_id) in enumerate(zip(layers, diff_ids, strict=True), 1):
        member = members.find(name.member)
        what = f"{where}: its layer {number} of {len(layers)}, {abridge_text(name.member)},"
        if member is None:
            raise MissingPartError(f"{what} is not in the archive", fix="save the image once more, with all layers")
        if name.size is not None and member.size != name.size:
            raise ArchiveError(f"{what} has {member.size} bytes and not {name.size}")
        stored.append(StoredLayer(member, diff_id, name.digest))
    image = ArchivedImage(
        references=(),
        config_digest=found,
        diff_ids=diff_ids,
        platform=read_platform(document),
        config=document,
        size=sum(member.size for member in {layer.member for layer in stored}),
    )
    return StoredImage(image, config, tuple(stored))


def read_platform(document: Mapping[str, Any]) -> ImagePlatform:
    """Return the platform in a configuration or in a descriptor of an index."""
    return ImagePlatform(
        document.get("os") or "linux", document.get("architecture") or "", document.get("variant") or ""
    )
