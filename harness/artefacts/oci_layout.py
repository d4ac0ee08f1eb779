"""``index.json``: the OCI layout, as podman, skopeo, buildx and Docker since 25 write it.

A name may refer to an index of several platforms, and the archive may have only some of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.artefacts import schemas
from harness.artefacts.archived_image import (
    LayerName,
    MissingPartError,
    StoredImage,
    blob,
    check_shape,
    read_image,
    read_platform,
    sha256,
)
from harness.artefacts.members import Members
from harness.artefacts.model import ArchiveError, ImagePlatform
from harness.common import references
from harness.common.documents import abridge_text

DOCUMENT = "index.json"
_NAME = "io.containerd.image.name"
_NAME_OR_TAG = "org.opencontainers.image.ref.name"
_ATTESTATION = "vnd.docker.reference.type"
_CONFIG_TYPES = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
_DEEPEST = 4
_MOST_DESCRIPTORS = 10_000


@dataclass
class _Offer:
    """What there is under one name."""

    label: str
    names: list[str]
    present: list[StoredImage] = field(default_factory=list)
    missing: list[tuple[ImagePlatform, MissingPartError]] = field(default_factory=list)


class OciLayout:
    """The images of an OCI layout; no layer is read.

    Args:
        members: of the archive.

    Raises:
        ArchiveError: a document is missing, damaged or of the wrong shape, or a layer is missing, other than of a
            platform beside others.
    """

    def __init__(self, members: Members) -> None:
        self._members = members
        self._visited = 0
        self._read: dict[str, StoredImage] = {}
        self._offers: dict[str, _Offer] = {}
        member = members.find(DOCUMENT)
        if member is None:
            raise MissingPartError(f"{members.path}: {DOCUMENT} is a link to a file that is not in the archive")
        index = members.document(member)
        what = f"{members.path} is not an archive of images: {DOCUMENT} is of the wrong shape"
        check_shape(index, schemas.INDEX, what)
        for descriptor in index["manifests"] or ():
            names = self._names(descriptor)
            label = names[0] if names else f"image {descriptor['digest']}"
            # several entries of one name are one offer, as the entries of an index inside are
            self._collect(descriptor, self._offers.setdefault(label, _Offer(label, names)), depth=0)

    @property
    def references(self) -> set[str]:
        """All names in the index."""
        return {name for offer in self._offers.values() for name in offer.names}

    @property
    def config_digests(self) -> set[str]:
        """All complete images, of any platform."""
        return {stored.image.config_digest for stored in self._read.values()}

    def images(self, architecture: str | None) -> list[tuple[list[str], StoredImage]]:
        """Return the images with their references.

        Args:
            architecture: takes of several platforms under a name the one with this architecture; an image that is
                alone under its name is returned for any platform.

        Raises:
            ArchiveError: several platforms are listed under a name and the one that is wanted is not there.
        """
        return [
            (offer.names, stored) for offer in self._offers.values() for stored in self._select(offer, architecture)
        ]

    def _select(self, offer: _Offer, architecture: str | None) -> list[StoredImage]:
        listed = [str(stored.image.platform) for stored in offer.present]
        listed += [str(platform) for platform, _ in offer.missing]
        if architecture is not None:
            matching = [stored for stored in offer.present if stored.image.platform.runs_on(architecture)]
            if matching:
                return matching[-1:]
            for platform, error in offer.missing:
                if platform.runs_on(architecture):
                    raise self._incomplete(offer, error)
            if len(listed) > 1:
                raise ArchiveError(
                    f"{self._members.path}: {offer.label} is there for {', '.join(listed)} only, the engine runs "
                    f"linux/{architecture} images",
                    fix=f"build it with `docker build --platform linux/{architecture}`",
                )
        if not offer.present and offer.missing:
            raise self._incomplete(offer, offer.missing[0][1])
        return offer.present

    def _incomplete(self, offer: _Offer, error: MissingPartError) -> ArchiveError:
        platforms = ", ".join(str(stored.image.platform) for stored in offer.present) or "no platform"
        return ArchiveError(
            f"{error.cause}; the archive has {offer.label} for {platforms}",
            fix="pull or build the image for the platform that is wanted, then save it with `--platform`",
        )

    def _collect(self, descriptor: Mapping[str, Any], offer: _Offer, depth: int) -> None:
        self._visited += 1
        if depth > _DEEPEST or self._visited > _MOST_DESCRIPTORS:
            raise ArchiveError(f"{self._members.path}: {offer.label}: indexes nested without end")
        stated = read_platform(descriptor.get("platform") or {})
        if _ATTESTATION in (descriptor.get("annotations") or {}) or stated.os == "unknown":
            return
        try:
            document = self._document(descriptor, offer, stated)
            if "manifests" in document:
                check_shape(document, schemas.INDEX, f"{self._members.path}: {offer.label}: its index")
                for inner in document["manifests"] or ():
                    self._collect(inner, offer, depth + 1)
                return
            image = self._image(descriptor["digest"], document, offer, stated)
        except MissingPartError as error:
            if depth == 0:
                raise
            offer.missing.append((stated, error))
            return
        if image is not None:
            offer.present.append(image)

    def _document(self, descriptor: Mapping[str, Any], offer: _Offer, stated: ImagePlatform) -> Any:
        digest = descriptor["digest"]
        where = f"{self._members.path}: {offer.label}"
        member = self._members.find(blob(digest))
        if member is None:
            raise MissingPartError(f"{where}: its manifest for {stated}, {digest}, is not in the archive")
        if member.size != descriptor["size"]:
            raise ArchiveError(f"{where}: its manifest {digest} has {member.size} bytes, not {descriptor['size']}")
        data = self._members.read(member)
        if sha256(data) != digest:
            raise ArchiveError(f"{where}: its manifest {digest} is damaged: its digest is {sha256(data)}")
        document = self._members.parse(member, data)
        if not isinstance(document, dict):
            raise ArchiveError(f"{where}: its manifest {digest} is of the wrong shape: no object")
        return document

    def _image(
        self, digest: str, manifest: Mapping[str, Any], offer: _Offer, stated: ImagePlatform
    ) -> StoredImage | None:
        if digest in self._read:
            return self._read[digest]
        where = f"{self._members.path}: {offer.label}"
        check_shape(manifest, schemas.MANIFEST, f"{where}: its manifest {digest} is of the wrong shape")
        config = manifest["config"]
        if config.get("mediaType", _CONFIG_TYPES[0]) not in _CONFIG_TYPES:
            return None  # a chart, a signature: layouts hold more than images
        member = self._members.find(blob(config["digest"]))
        if member is None:
            raise MissingPartError(
                f"{where}: its configuration for {stated}, {config['digest']}, is not in the archive"
            )
        if member.size != config["size"]:
            raise ArchiveError(f"{where}: its configuration has {member.size} bytes, not {config['size']}")
        layers = [LayerName(blob(d["digest"]), d["digest"], d["size"]) for d in manifest["layers"] or ()]
        self._read[digest] = read_image(self._members, member, config["digest"], layers, offer.label)
        return self._read[digest]

    def _names(self, descriptor: Mapping[str, Any]) -> list[str]:
        annotations = descriptor.get("annotations") or {}
        name = annotations.get(_NAME, "")
        alternative = annotations.get(_NAME_OR_TAG, "")
        # containerd takes the second one for a name if it is more than a tag
        if not name and any(mark in alternative for mark in "/:"):
            name = alternative
        if not name or "@" in name:
            return []
        try:
            return [references.normalise(name)]
        except ValueError as error:
            raise ArchiveError(f"{self._members.path}: {DOCUMENT}: {abridge_text(str(error))}") from None
