"""What is no archive of images, or a broken one: said at once, with the file, the image and the part."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
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
from tests.artefacts.made_archives import ARM_TOOL, BASE, OTHER, TOOL, Oci

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


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "images.tar").startswith("there is no file ")


def test_a_path_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be opened"):
        ImageArchive.open("a\0b")


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").endswith("is no archive of images: it is a named pipe")
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
def test_a_file_that_is_no_tar_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.tar"
    path.write_bytes(content)
    assert "is no archive of images" in refused(path)


def test_a_tar_file_of_something_else(tmp_path: Path) -> None:
    path = written(tmp_path, [("readme.txt", b"hello"), ("etc/passwd", made.Link("../../etc/passwd"))])
    assert refused(path).endswith("is no archive of images: there is no image in it")
    assert "is no archive of images" in refused(written(tmp_path, [("index.json", b'{"name": "a page"}')]))
    assert "is no archive of images" in refused(written(tmp_path, [("manifest.json", b'{"name": "an app"}')]))


def test_an_archive_that_is_cut_off_wherever_it_is(tmp_path: Path) -> None:
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
        ("manifest.json", b"{", "manifest.json is no JSON"),
        ("manifest.json", b"[" * 100_000, "manifest.json is no JSON"),
        ("manifest.json", b"\xff\xfe", "manifest.json is no JSON"),
        ("manifest.json", b"[]", "there is no image in it"),
        ("manifest.json", b'[{"Config": 1, "Layers": []}]', "manifest.json is of the wrong shape: $[0].Config"),
        ("manifest.json", b'[{"Config": "x.json", "Layers": []}]', "its configuration x.json is not in the archive"),
        ("manifest.json", b'[{"Config": "x", "RepoTags": ["A B"], "Layers": []}]', "no reference of an image"),
        ("manifest.json", b" " * (9 << 20), "a document has at most 8 MiB"),
        ("manifest.json", made.Link("manifest.json"), "leads in a circle"),
        ("manifest.json", made.Link("../manifest.json"), "a link out of the archive"),
        ("manifest.json", made.HardLink("/etc/passwd"), "a link out of the archive"),
        ("manifest.json", made.Link("elsewhere.json"), "a file that is not in the archive"),
        ("index.json", b"{", "index.json is no JSON"),
        ("index.json", b'{"manifests": [{"digest": "md5:1", "size": 1}]}', "index.json is of the wrong shape"),
    ],
)
def test_a_document_that_cannot_be_used(tmp_path: Path, name: str, content: bytes | made.Link, message: str) -> None:
    others = [entry for entry in made.podman_docker_archive(NAMED) if entry[0] != name]
    assert message in refused(written(tmp_path, [*others, (name, content)]))


def changed(entries: list[made.Entry], data: bytes, new: bytes | made.Link | None) -> list[made.Entry]:
    """The entries, with other content in the place of some; without it if there is none."""
    return [
        (name, new if content == data else content) for name, content in entries if content != data or new is not None
    ]


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
    message = refused(written(tmp_path, changed(layout(NAMED), TOOL.layers[1], None)))
    assert f"{tmp_path / 'images.tar'}: tool:1: its layer 2 of 2, " in message
    assert message.endswith(" is not in the archive")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_link_to_a_layer_that_leads_out(tmp_path: Path, layout: Callable[[made.Named], list[made.Entry]]) -> None:
    entries = changed(layout(NAMED), TOOL.layers[1], made.Link("../../../../../etc/passwd"))
    assert "is a link out of the archive" in refused(written(tmp_path, entries))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_configuration_of_another_digest(tmp_path: Path, layout: Callable[[made.Named], list[made.Entry]]) -> None:
    entries = changed(layout(NAMED), TOOL.config, TOOL.config.replace(b"a test", b"A TEST"))
    message = refused(written(tmp_path, entries))
    assert "tool:1: its configuration" in message
    assert "is damaged" in message


def manifest_of(oci: Oci, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    descriptor = oci.image(TOOL)
    manifest = json.loads(oci.blobs[f"blobs/sha256/{descriptor['digest'][7:]}"])
    change(manifest)
    return oci.blob(json.dumps(manifest).encode(), made.MANIFEST_TYPE)


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
    oci.add(manifest_of(oci, change), "tool:1")
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
    assert "indexes inside each other" in refused(written(tmp_path, oci.entries()))
    wide = Oci()
    descriptor = wide.image(TOOL)
    for _ in range(4):
        descriptor = wide.index([descriptor] * 100)
    wide.add(descriptor, "tool:1")
    assert "indexes inside each other" in refused(written(tmp_path, wide.entries()))


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


def swapped(packing: made.Packing, layout: Callable[[made.Named, made.Packing], list[made.Entry]]) -> list[made.Entry]:
    """A layer of the right size and name whose content is another."""
    data = packing(TOOL.layers[1])
    return changed(layout(NAMED, packing), data, data[:-1] + bytes([data[-1] ^ 1]))


def drained(path: Path) -> bytes:
    archive = ImageArchive.open(path)
    return b"".join(archive.stream({f"x:{number}": image for number, image in enumerate(archive.images)}))


@pytest.mark.parametrize("layout", [made.docker_25, made.podman_oci_archive])
@pytest.mark.parametrize("packing", [made.plain, made.zipped, made.zipped_in_parts, made.zstd, made.zstd_chunked])
def test_a_layer_with_other_content_breaks_the_stream_off(
    tmp_path: Path, packing: made.Packing, layout: Callable[[made.Named, made.Packing], list[made.Entry]]
) -> None:
    path = written(tmp_path, swapped(packing, layout))
    with pytest.raises(ArchiveError, match=r"images.tar: x:0: its layer .* is damaged"):
        drained(path)


@pytest.mark.parametrize("packing", [made.plain, made.zipped, made.zstd])
def test_a_layer_of_another_image_breaks_the_stream_off(tmp_path: Path, packing: made.Packing) -> None:
    oci = Oci(packing)

    def exchange(manifest: dict[str, Any]) -> None:
        manifest["layers"][1] = oci.blob(packing(OTHER.layers[1]))

    oci.add(manifest_of(oci, exchange), "tool:1")
    with pytest.raises(ArchiveError, match="is not the one of the configuration"):
        drained(written(tmp_path, oci.entries()))


def test_a_cut_layer_breaks_the_stream_off(tmp_path: Path) -> None:
    entries = made.build_tool_archive(NAMED)
    data = made.zipped(BASE)
    with pytest.raises(ArchiveError, match="is damaged: it is cut off"):
        drained(written(tmp_path, changed(entries, data, data[:-9])))


def test_a_layer_that_unpacks_to_more_than_any_layer_breaks_the_stream_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.artefacts.conversion._LARGEST_LAYER", 1 << 20)
    image = made.MadeImage((made.layer("zeros", bytes(3 << 20)),))
    for packing in (made.plain, made.zipped, made.zstd):
        path = written(tmp_path, made.podman_oci_archive([(image, ["bomb:1"])], packing))
        with pytest.raises(ArchiveError, match="unpacks to more than"):
            drained(path)


def test_a_file_that_changes_after_it_was_opened_breaks_the_stream_off(tmp_path: Path) -> None:
    path = written(tmp_path, made.docker_25(NAMED))
    archive = ImageArchive.open(path)
    path.write_bytes(path.read_bytes() + bytes(512))
    with pytest.raises(ArchiveError, match="has changed"):
        b"".join(archive.stream({"x:1": archive.images[0]}))


def test_an_image_of_another_archive_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    archive = ImageArchive.open(written(tmp_path, made.docker_25(NAMED)))
    stranger = ImageArchive.open(made.write(tmp_path / "b.tar", made.docker_25([(OTHER, ["other:1"])]))).images[0]
    with pytest.raises(ValueError, match="has no image sha256:"):
        archive.stream({"other:1": stranger})


LAYOUTS_TO_DAMAGE = [
    made.docker_legacy(NAMED),
    made.docker_25([(TOOL, ["tool:1"]), (OTHER, [])], made.zipped),
    made.podman_oci_archive(NAMED, made.zstd_chunked),
]


@pytest.mark.parametrize("seed", range(300))
def test_damage_of_any_kind_ends_in_an_archive_or_in_its_error(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = written(tmp_path, LAYOUTS_TO_DAMAGE[seed % 3])
    data = bytearray(path.read_bytes())
    with tarfile.open(path) as file:
        infos = file.getmembers()
    documents = [info for info in infos if info.size < 2000 and info.isreg()]
    for _ in range(chance.choice((1, 3, 20))):
        kind, info = chance.randrange(5), chance.choice(infos)
        if kind == 0:  # anywhere
            data[chance.randrange(len(data))] = chance.randrange(256)
        elif kind == 1:  # a header, with the checksum made right
            at = info.offset_data - 512
            data[at + chance.randrange(512)] = chance.choice((0, 0x30, 0x37, 0x80, 0xFF, ord("L"), ord("x"), ord("S")))
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
        elif kind == 2:  # a document
            info = chance.choice(documents)
            at = info.offset_data + chance.randrange(max(info.size, 1))
            data[at : at + 1] = chance.choice((b"0", b'"', b"[", b"}", b"-", b"\\", b"\xff", b"e"))
        elif kind == 3 and chance.random() < 0.3:  # a cut
            del data[chance.randrange(len(data)) :]
            break
        else:  # something of one place in another
            a, b = chance.randrange(len(data)), chance.randrange(len(data))
            data[a : a + 64] = data[b : b + 64][: len(data) - a]
    path.write_bytes(data)
    error = None
    try:
        drained(path)
    except ArchiveError as caught:
        error = caught
    assert error is None or (str(path) in error.cause and "\n" not in error.cause)
