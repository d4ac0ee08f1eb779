"""An image of another image's layers with another command: two small documents, without a build."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

# default media type of a manifest
_OCI = "application/vnd.oci.image"


@dataclasses.dataclass(frozen=True)
class Document:
    """A JSON document of an image, as registries and containerd keep it."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        """``sha256:...`` of its content."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, Any]:
        """What other documents say of it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


@dataclasses.dataclass(frozen=True)
class DerivedImage:
    """The two documents of an image with existing layers."""

    manifest: Document
    configuration: Document


def derive_image(manifest: Mapping[str, Any], configuration: Mapping[str, Any], command: Sequence[str]) -> DerivedImage:
    """Return the image that differs from another one in its command alone; the same for the same input.

    Args:
        manifest: of the other image, for one platform.
        configuration: of the other image.
        command: what its containers run where a pod says nothing.
    """
    own = copy.deepcopy(dict(configuration))
    own["config"] = {**(own.get("config") or {}), "Cmd": list(command)}
    if own.get("history"):
        own["history"].append({"created_by": f"CMD {json.dumps(list(command))}", "empty_layer": True})
    derived = _document(manifest["config"].get("mediaType", f"{_OCI}.config.v1+json"), own)
    changed = {**manifest, "config": derived.descriptor}
    return DerivedImage(_document(manifest.get("mediaType", f"{_OCI}.manifest.v1+json"), changed), derived)


def _document(media_type: str, value: Mapping[str, Any]) -> Document:
    return Document(media_type, json.dumps(value, sort_keys=True).encode())


def make_archive(images: Mapping[str, DerivedImage]) -> bytes:
    """Return an OCI image layout in a tar file with all but the layers, for a containerd that has those.

    Args:
        images: by their names in containerd's notation.
    """
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    entries = []
    for name, image in images.items():
        for document in (image.manifest, image.configuration):
            files[f"blobs/{document.digest.replace(':', '/')}"] = document.content
        entries.append({**image.manifest.descriptor, "annotations": {"io.containerd.image.name": name}})
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return output.getvalue()
