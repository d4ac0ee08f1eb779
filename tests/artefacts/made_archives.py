"""Archives of images in the layouts of the tools that people have, all of the same small layers."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zstandard

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
# a frame of zstd without data, as podman writes with --compression-format zstd:chunked
SKIPPABLE = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"toc."

Packing = Callable[[bytes], bytes]


def plain(data: bytes) -> bytes:
    return data


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def zipped_in_parts(data: bytes) -> bytes:
    return zipped(data[:1000]) + zipped(data[1000:])


def zstd(data: bytes) -> bytes:
    return zstandard.compress(data)


def zstd_chunked(data: bytes) -> bytes:
    return SKIPPABLE + zstd(data[:1000]) + SKIPPABLE + zstd(data[1000:]) + SKIPPABLE


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def hexadecimal(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Link(str):
    """The target of a symbolic link, in the place of a member's bytes."""


class HardLink(str):
    """The target of a hard link."""


Entry = tuple[str, "bytes | Link | HardLink"]


def tar(entries: Iterable[Entry], *, prefix: str = "") -> bytes:
    """A tar file in memory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name, content in entries:
            info = tarfile.TarInfo(prefix + name)
            if isinstance(content, (Link, HardLink)):
                info.type = tarfile.SYMTYPE if isinstance(content, Link) else tarfile.LNKTYPE
                info.linkname = str(content)
                file.addfile(info)
            else:
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def layer(name: str, content: bytes = b"content\n") -> bytes:
    """An uncompressed layer with one file."""
    return tar([(name, content)])


@dataclasses.dataclass(frozen=True)
class MadeImage:
    """An image to be written: its layers, uncompressed, and its configuration."""

    layers: tuple[bytes, ...]
    architecture: str = "amd64"
    variant: str = ""

    @property
    def config(self) -> bytes:
        document: dict[str, Any] = {
            "architecture": self.architecture,
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Labels": {"made": "by a test"}},
            "history": [{"created": "2026-01-01T00:00:00Z"} for _ in self.layers],
            "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in self.layers]},
        }
        if self.variant:
            document["variant"] = self.variant
        return json.dumps(document).encode()

    @property
    def platform(self) -> dict[str, str]:
        return {"architecture": self.architecture, "os": "linux"} | ({"variant": self.variant} if self.variant else {})


BASE = layer("base.txt", b"base\n" * 500)
TOOL = MadeImage((BASE, layer("tool.txt")))
OTHER = MadeImage((BASE, layer("other.txt")))
ARM_TOOL = MadeImage((layer("base-arm.txt"), layer("tool-arm.txt")), "arm64", "v8")


Named = Sequence[tuple[MadeImage, Sequence[str]]]


def docker_legacy(images: Named) -> list[Entry]:
    """``docker save`` up to 24: a layer that an earlier image has is a symbolic link to it."""
    entries: list[Entry] = []
    manifest, folders = [], dict[bytes, str]()
    for image, tags in images:
        names = []
        for number, data in enumerate(image.layers):
            folder = hexadecimal(image.config + bytes([number]))
            entries += [(f"{folder}/VERSION", b"1.0"), (f"{folder}/json", b"{}")]
            shared = folders.setdefault(data, folder)
            content: bytes | Link = data if shared == folder else Link(f"../{shared}/layer.tar")
            entries.append((f"{folder}/layer.tar", content))
            names.append(f"{folder}/layer.tar")
        config = f"{hexadecimal(image.config)}.json"
        entries.append((config, image.config))
        manifest.append({"Config": config, "RepoTags": list(tags) or None, "Layers": names})
    return [*entries, ("manifest.json", json.dumps(manifest).encode()), ("repositories", b"{}")]


def podman_docker_archive(images: Named) -> list[Entry]:
    """``podman save``: flat names, each layer once."""
    blobs: dict[str, bytes] = {}
    manifest = []
    for image, tags in images:
        names = [f"{hexadecimal(data)}.tar" for data in image.layers]
        blobs |= dict(zip(names, image.layers, strict=True))
        config = f"{hexadecimal(image.config)}.json"
        blobs[config] = image.config
        manifest.append({"Config": config, "RepoTags": list(tags), "Layers": names})
    return [*blobs.items(), ("manifest.json", json.dumps(manifest).encode())]


def build_tool_archive(images: Named) -> list[Entry]:
    """What kaniko and other tools on go-containerregistry write: gzip layers, a digest names the configuration."""
    blobs: dict[str, bytes] = {}
    manifest = []
    for image, tags in images:
        names = [f"{hexadecimal(zipped(data))}.tar.gz" for data in image.layers]
        blobs |= dict(zip(names, map(zipped, image.layers), strict=True))
        blobs[digest(image.config)] = image.config
        manifest.append({"Config": digest(image.config), "RepoTags": list(tags), "Layers": names})
    return [*blobs.items(), ("manifest.json", json.dumps(manifest).encode())]


@dataclasses.dataclass
class Oci:
    """An OCI layout in the making."""

    packing: Packing = plain
    blobs: dict[str, bytes] = dataclasses.field(default_factory=dict)
    manifests: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def blob(self, data: bytes, media_type: str = "", **more: Any) -> dict[str, Any]:
        """Store a blob; its descriptor."""
        self.blobs[f"blobs/sha256/{hexadecimal(data)}"] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}

    def image(self, image: MadeImage, **more: Any) -> dict[str, Any]:
        """Store an image; its descriptor."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self.blob(image.config, CONFIG_TYPE),
            "layers": [
                self.blob(self.packing(data), "application/vnd.oci.image.layer.v1.tar") for data in image.layers
            ],
        }
        return self.blob(json.dumps(manifest).encode(), MANIFEST_TYPE, **more)

    def changed_image(self, image: MadeImage, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Store an image whose manifest is changed; its descriptor."""
        descriptor = self.image(image)
        manifest = json.loads(self.blobs[f"blobs/{descriptor['digest'].replace(':', '/')}"])
        change(manifest)
        return self.blob(json.dumps(manifest).encode(), MANIFEST_TYPE)

    def attestation(self, **more: Any) -> dict[str, Any]:
        """Store a statement of provenance as buildx does; its descriptor."""
        manifest = {
            "schemaVersion": 2,
            "config": self.blob(b'{"architecture":"unknown","os":"unknown"}', CONFIG_TYPE),
            "layers": [self.blob(b'{"predicate":{}}', "application/vnd.in-toto+json")],
        }
        annotations = {"vnd.docker.reference.type": "attestation-manifest"}
        platform = {"architecture": "unknown", "os": "unknown"}
        return self.blob(
            json.dumps(manifest).encode(), MANIFEST_TYPE, annotations=annotations, platform=platform, **more
        )

    def index(self, descriptors: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
        """Store an index; its descriptor."""
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": descriptors}).encode()
        return self.blob(data, INDEX_TYPE, **more)

    def add(self, descriptor: dict[str, Any], name: str = "", annotation: str = "io.containerd.image.name") -> None:
        """Put a descriptor into ``index.json``."""
        annotations = descriptor.get("annotations", {}) | ({annotation: name} if name else {})
        self.manifests.append(descriptor | {"annotations": annotations})

    def remove(self, descriptor: Mapping[str, Any]) -> None:
        """Take a blob away, as a tool does that has it not."""
        del self.blobs[f"blobs/{descriptor['digest'].replace(':', '/')}"]

    def entries(self) -> list[Entry]:
        index = json.dumps({"schemaVersion": 2, "manifests": self.manifests}).encode()
        return [*self.blobs.items(), ("index.json", index), ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]


def podman_oci_archive(images: Named, packing: Packing = zipped) -> list[Entry]:
    """``podman save --format oci-archive`` and skopeo: the name, or only a tag, in one annotation."""
    oci = Oci(packing)
    for image, tags in images:
        for tag in tags or [""]:
            oci.add(oci.image(image), tag, "org.opencontainers.image.ref.name")
    return oci.entries()


def docker_25(images: Named, packing: Packing = plain) -> list[Entry]:
    """``docker save`` since 25: both documents, an entry of the index for each tag, canonical names in it."""
    oci, manifest = Oci(packing), []
    for image, tags in images:
        for tag in tags or [""]:
            oci.add(oci.image(image), f"docker.io/library/{tag}" if tag and "/" not in tag else tag)
        layers = [f"blobs/sha256/{hexadecimal(packing(data))}" for data in image.layers]
        config = f"blobs/sha256/{hexadecimal(image.config)}"
        manifest.append({"Config": config, "RepoTags": list(tags) or None, "Layers": layers})
    return [*oci.entries(), ("manifest.json", json.dumps(manifest).encode())]


def changed(entries: list[Entry], data: bytes, new: bytes | Link | None) -> list[Entry]:
    """Return the entries with some contents replaced; an entry with no new content is left out."""
    return [
        (name, new if content == data else content) for name, content in entries if content != data or new is not None
    ]


def write(path: Path, entries: Iterable[Entry], *, prefix: str = "") -> Path:
    """Write an archive; its path."""
    path.write_bytes(tar(entries, prefix=prefix))
    return path
