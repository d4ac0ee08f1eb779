"""Broken archives, and files that are not archives of images, are errors with the file, the image and the part."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from harness.artefacts import members
from harness.artefacts.archive import ArchiveError, ImageArchive, check_architecture
from tests.artefacts import made_archives as made
from tests.artefacts.made_archives import ARM_TOOL, TOOL, Oci

NAMED: made.Named = [(TOOL, ["tool:1"])]


def refused(path: Path, **wishes: Any) -> str:
    with pytest.raises(ArchiveError) as caught:
        ImageArchive.open(path, **wishes)
    assert caught.value.exit_status == 2
    assert str(path) in caught.value.cause
    assert "\n" not in caught.value.cause
    return caught.value.cause


def written(tmp_path: Path, entries: list[made.Entry]) -> Path:
    return made.write(tmp_path / "images.tar", entries)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "images.tar").startswith("there is no file ")


def test_a_path_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be opened"):
        ImageArchive.open("a\0b")


def test_a_path_that_is_not_a_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").endswith("is not an archive of images: it is a named pipe")
    assert refused(tmp_path).endswith("it is a folder")
    assert refused(Path("/dev/zero")).endswith("it is a device")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        assert refused(tmp_path / "s").endswith("it is a socket")


@pytest.mark.parametrize(
    ("compress", "name", "program"),
    [
        (gzip.compress, "gzip", "gunzip"),
        (zstandard.compress, "zstd", "unzstd"),
        (lzma.compress, "xz", "unxz"),
        (bz2.compress, "bzip2", "bunzip2"),
    ],
)
def test_an_archive_that_is_compressed_as_a_whole(
    tmp_path: Path, compress: Callable[[bytes], bytes], name: str, program: str
) -> None:
    path = written(tmp_path, made.podman_docker_archive(NAMED))
    path.write_bytes(compress(path.read_bytes()))
    with pytest.raises(ArchiveError, match=f"is compressed with {name}") as caught:
        ImageArchive.open(path)
    assert program in caught.value.fix


@pytest.mark.parametrize("content", [b"", b"no archive at all", bytes(10_240), b"x" * 20_000])
def test_a_file_that_is_not_a_tar_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.tar"
    path.write_bytes(content)
    assert "is not an archive of images" in refused(path)


def test_a_tar_file_without_images_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [("readme.txt", b"hello"), ("etc/passwd", made.Link("../../etc/passwd"))])
    assert refused(path).endswith("is not an archive of images: there is no image in it")
    assert "is not an archive of images" in refused(written(tmp_path, [("index.json", b'{"name": "a page"}')]))
    assert "is not an archive of images" in refused(written(tmp_path, [("manifest.json", b'{"name": "an app"}')]))


def test_an_archive_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, made.docker_25(NAMED))
    whole = path.read_bytes()
    with tarfile.open(path) as file:
        end = max(info.offset_data + -(-info.size // 512) * 512 for info in file.getmembers())
    for length in range(600, end + 512, 512):
        path.write_bytes(whole[:length])
        assert "is cut off: it ends" in refused(path)
    path.write_bytes(whole[: end + 512])
    assert ImageArchive.open(path).images


def test_a_cut_in_a_member_names_it(tmp_path: Path) -> None:
    path = written(tmp_path, [("layer.tar", bytes(5000))])
    path.write_bytes(path.read_bytes()[:3000])
    assert refused(path).endswith("is cut off: it ends in the middle of layer.tar")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("manifest.json", b"{", "manifest.json is not JSON"),
        ("manifest.json", b"[" * 100_000, "manifest.json is not JSON"),
        ("manifest.json", b"\xff\xfe", "manifest.json is not JSON"),
        ("manifest.json", b"[]", "there is no image in it"),
        ("manifest.json", b'[{"Config": 1, "Layers": []}]', "manifest.json is of the wrong shape: $[0].Config"),
        ("manifest.json", b'[{"Config": "x.json", "Layers": []}]', "its configuration x.json is not in the archive"),
        ("manifest.json", b'[{"Config": "x", "RepoTags": ["A B"], "Layers": []}]', "not a reference of an image"),
        ("manifest.json", b" " * (9 << 20), "a document has at most 8 MiB"),
        ("manifest.json", made.Link("manifest.json"), "leads in a circle"),
        ("manifest.json", made.Link("../manifest.json"), "a link out of the archive"),
        ("manifest.json", made.HardLink("/etc/passwd"), "a link out of the archive"),
        ("manifest.json", made.Link("elsewhere.json"), "a file that is not in the archive"),
        ("index.json", b"{", "index.json is not JSON"),
        ("index.json", b'{"manifests": [{"digest": "md5:1", "size": 1}]}', "index.json is of the wrong shape"),
    ],
)
def test_a_document_that_cannot_be_used(tmp_path: Path, name: str, content: bytes | made.Link, message: str) -> None:
    others = [entry for entry in made.podman_docker_archive(NAMED) if entry[0] != name]
    assert message in refused(written(tmp_path, [*others, (name, content)]))


LAYOUTS = [
    made.docker_legacy,
    made.docker_25,
    made.podman_docker_archive,
    lambda n: made.podman_oci_archive(n, made.plain),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_missing_layer_is_named_with_its_image(
    tmp_path: Path, layout: Callable[[made.Named], list[made.Entry]]
) -> None:
    message = refused(written(tmp_path, made.changed(layout(NAMED), TOOL.layers[1], None)))
    assert f"{tmp_path / 'images.tar'}: tool:1: its layer 2 of 2, " in message
    assert message.endswith(" is not in the archive")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_link_to_a_layer_outside_of_the_archive_is_refused(
    tmp_path: Path, layout: Callable[[made.Named], list[made.Entry]]
) -> None:
    entries = made.changed(layout(NAMED), TOOL.layers[1], made.Link("../../../../../etc/passwd"))
    assert "is a link out of the archive" in refused(written(tmp_path, entries))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_configuration_of_another_digest(tmp_path: Path, layout: Callable[[made.Named], list[made.Entry]]) -> None:
    entries = made.changed(layout(NAMED), TOOL.config, TOOL.config.replace(b"a test", b"A TEST"))
    message = refused(written(tmp_path, entries))
    assert "tool:1: its configuration" in message
    assert "is damaged" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["layers"].pop(), "tool:1 has 1 layers, its configuration names 2"),
        (lambda m: m["layers"][0].update(size=7), "has 10240 bytes and not 7"),
        (lambda m: m["config"].update(size=7), "bytes, not 7"),
        (lambda m: m["config"].update(digest="sha256:" + 64 * "0"), "is not in the archive"),
        (lambda m: m.pop("layers"), "is of the wrong shape"),
        (lambda m: m["layers"][0].update(digest="sha512:0"), "is of the wrong shape"),
    ],
)
def test_a_manifest_that_does_not_fit(tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str) -> None:
    oci = Oci()
    oci.add(oci.changed_image(TOOL, change), "tool:1")
    found = refused(written(tmp_path, oci.entries()))
    assert message in found
    assert "tool:1" in found


def test_a_manifest_that_is_not_what_the_index_says(tmp_path: Path) -> None:
    oci = Oci()
    oci.add(oci.image(TOOL), "tool:1")
    oci.manifests[0]["size"] += 1
    assert "tool:1: its manifest" in refused(written(tmp_path, oci.entries()))
    oci.manifests[0] |= {"digest": made.digest(b"{}"), "size": 2}
    assert refused(written(tmp_path, oci.entries())).endswith("is not in the archive")
    oci.blobs[f"blobs/sha256/{made.hexadecimal(b'{}')}"] = b"[]"
    assert "is damaged" in refused(written(tmp_path, oci.entries()))
    oci.manifests[0] = oci.blob(b"[]")
    assert "is of the wrong shape" in refused(written(tmp_path, oci.entries()))


def test_indexes_inside_each_other_come_to_an_end(tmp_path: Path) -> None:
    oci = Oci()
    descriptor = oci.image(TOOL)
    for _ in range(6):
        descriptor = oci.index([descriptor])
    oci.add(descriptor, "tool:1")
    assert "indexes nested without end" in refused(written(tmp_path, oci.entries()))
    wide = Oci()
    descriptor = wide.image(TOOL)
    for _ in range(4):
        descriptor = wide.index([descriptor] * 100)
    wide.add(descriptor, "tool:1")
    assert "indexes nested without end" in refused(written(tmp_path, wide.entries()))


def test_more_members_than_any_archive_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_MOST_MEMBERS", 50)
    assert "more than 50 members" in refused(written(tmp_path, [(f"{n}", b"") for n in range(51)]))


def test_a_chain_of_links_has_an_end(tmp_path: Path) -> None:
    links: list[made.Entry] = [(f"{n}", made.Link(f"{n + 1}")) for n in range(1000)]
    path = written(tmp_path, [*links, ("1000", b"[]"), ("manifest.json", made.Link("0"))])
    assert "leads in a circle" in refused(path)


def test_a_large_document_that_is_named_again_and_again_is_not_read_each_time(tmp_path: Path) -> None:
    large = made.MadeImage(()).config + b" " * (4 << 20)
    manifest = [{"Config": "config.json", "Layers": []}] * 1000
    entries: list[made.Entry] = [("config.json", large), ("manifest.json", json.dumps(manifest).encode())]
    assert "its documents have more than 256 MiB together" in refused(written(tmp_path, entries))


def test_a_header_that_claims_to_be_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "images.tar"
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 4 << 30
    with path.open("wb") as file:
        file.write(made.tar([("first", b"")])[:512] + info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(5 << 30)
    assert "a header of more than 1 MiB" in refused(path)


def test_names_of_an_archive_reach_the_terminal_without_control_characters(tmp_path: Path) -> None:
    manifest = [{"Config": "\x1b[31m\n", "Layers": []}]
    message = refused(written(tmp_path, [("manifest.json", json.dumps(manifest).encode())]))
    assert "\x1b" not in message


def test_an_image_for_another_architecture_is_kept_and_can_be_refused(tmp_path: Path) -> None:
    path = written(tmp_path, made.docker_25([(ARM_TOOL, ["group/tool:1"])]))
    archive = ImageArchive.open(path, architecture="amd64")
    check_architecture(archive.images[0], "arm64", "images.tar")
    with pytest.raises(ArchiveError) as caught:
        check_architecture(archive.images[0], "amd64", "images.tar")
    assert caught.value.cause == (
        "images.tar: group/tool:1 is an image for linux/arm64/v8, the engine runs linux/amd64 images"
    )
    assert caught.value.fix == "build it with `docker build --platform linux/amd64`"
