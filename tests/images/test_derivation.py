"""Images that have the layers of another one, and a command of their own."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

from harness.images.derivation import derive_image, make_archive

LAYERS = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:" + "b" * 64, "size": 9}]
MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": "sha256:a", "size": 1},
    "layers": LAYERS,
}
CONFIGURATION: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["A=1"], "Cmd": ["sh"], "User": "7"},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "c" * 64]},
    "history": [{"created_by": "COPY . ."}],
}


def test_only_the_command_is_another_one() -> None:
    derived = derive_image(MANIFEST, CONFIGURATION, ["python", "-m", "tool"])
    configuration = json.loads(derived.configuration.content)
    assert configuration["config"] == {"Env": ["A=1"], "Cmd": ["python", "-m", "tool"], "User": "7"}
    assert configuration["rootfs"] == CONFIGURATION["rootfs"]
    # as many entries with a layer as there are layers
    assert [bool(entry.get("empty_layer")) for entry in configuration["history"]] == [False, True]
    manifest = json.loads(derived.manifest.content)
    assert manifest == {**MANIFEST, "config": derived.configuration.descriptor}
    assert derived.configuration.media_type == MANIFEST["config"]["mediaType"]
    assert (CONFIGURATION["config"]["Cmd"], len(CONFIGURATION["history"])) == (["sh"], 1)


def test_an_image_that_has_neither_a_command_nor_a_history_gets_the_command() -> None:
    bare = {key: value for key, value in CONFIGURATION.items() if key not in {"config", "history"}}
    configuration = json.loads(derive_image(MANIFEST, bare, ["tool"]).configuration.content)
    assert configuration == {**bare, "config": {"Cmd": ["tool"]}}


def test_the_same_command_is_the_same_image_and_another_one_another() -> None:
    one, same, other = (derive_image(MANIFEST, CONFIGURATION, [word]) for word in ("one", "one", "other"))
    assert one == same
    assert one.manifest.digest != other.manifest.digest
    assert one.configuration.digest != other.configuration.digest


def test_a_manifest_that_does_not_say_what_it_is_is_one_of_oci() -> None:
    oci = {"schemaVersion": 2, "config": {"digest": "sha256:a", "size": 1}, "layers": LAYERS}
    derived = derive_image(oci, CONFIGURATION, ["x"])
    assert derived.manifest.media_type == "application/vnd.oci.image.manifest.v1+json"
    assert derived.configuration.media_type == "application/vnd.oci.image.config.v1+json"


def test_an_archive_has_the_documents_of_each_image_and_no_layer() -> None:
    images = {f"r.example/{word}:1": derive_image(MANIFEST, CONFIGURATION, [word]) for word in ("one", "other")}
    with tarfile.open(fileobj=io.BytesIO(make_archive(images))) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    assert json.loads(files.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(files.pop("index.json"))
    named = {entry["annotations"]["io.containerd.image.name"]: entry["digest"] for entry in index["manifests"]}
    assert named == {name: image.manifest.digest for name, image in images.items()}
    documents = [document for image in images.values() for document in (image.manifest, image.configuration)]
    assert files == {f"blobs/sha256/{found.digest.partition(':')[2]}": found.content for found in documents}
