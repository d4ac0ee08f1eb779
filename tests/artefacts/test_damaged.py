"""Damage that only the bytes of a layer show, or unexpected damage, only breaks the stream off."""

from __future__ import annotations

import gzip
import random
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.artefacts import conversion
from harness.artefacts.archive import ArchiveError, ImageArchive
from harness.artefacts.members import BLOCK
from tests.artefacts import made_archives as made
from tests.artefacts.made_archives import BASE, OTHER, TOOL, Oci

NAMED: made.Named = [(TOOL, ["tool:1"])]


def written(tmp_path: Path, entries: list[made.Entry]) -> Path:
    return made.write(tmp_path / "images.tar", entries)


def swapped(packing: made.Packing, layout: Callable[[made.Named, made.Packing], list[made.Entry]]) -> list[made.Entry]:
    """A layer of the right size and name whose content is another."""
    data = packing(TOOL.layers[1])
    return made.changed(layout(NAMED, packing), data, data[:-1] + bytes([data[-1] ^ 1]))


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

    oci.add(oci.changed_image(TOOL, exchange), "tool:1")
    with pytest.raises(ArchiveError, match="is not the one of the configuration"):
        drained(written(tmp_path, oci.entries()))


def test_a_cut_layer_breaks_the_stream_off(tmp_path: Path) -> None:
    entries = made.build_tool_archive(NAMED)
    data = made.zipped(BASE)
    with pytest.raises(ArchiveError, match="is damaged: it is cut off"):
        drained(written(tmp_path, made.changed(entries, data, data[:-9])))


def test_a_layer_that_unpacks_to_more_than_any_layer_breaks_the_stream_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.artefacts.conversion._LARGEST_LAYER", 1 << 20)
    image = made.MadeImage((made.layer("zeros", bytes(3 << 20)),))
    for packing in (made.plain, made.zipped, made.zstd):
        path = written(tmp_path, made.podman_oci_archive([(image, ["bomb:1"])], packing))
        with pytest.raises(ArchiveError, match="unpacks to more than"):
            drained(path)


def test_a_layer_of_very_many_members_is_read_in_time_that_grows_with_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handed = 0
    real = zlib.decompressobj

    class Member:
        def __init__(self, wbits: int) -> None:
            self._real = real(wbits)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def decompress(self, piece: bytes, most: int) -> bytes:
            nonlocal handed
            handed += len(piece)
            return self._real.decompress(piece, most)

    monkeypatch.setattr(zlib, "decompressobj", Member)
    empty = gzip.compress(b"")
    data = empty * (BLOCK // 4 // len(empty))
    assert b"".join(conversion._Gunzip().unpack(data)) == b""
    assert handed < 500 * len(data)


def test_a_file_that_changes_after_it_was_opened_breaks_the_stream_off(tmp_path: Path) -> None:
    path = written(tmp_path, made.docker_25(NAMED))
    archive = ImageArchive.open(path)
    path.write_bytes(path.read_bytes() + bytes(512))
    with pytest.raises(ArchiveError, match="changed while it was read"):
        b"".join(archive.stream({"x:1": archive.images[0]}))


def test_an_image_of_another_archive_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    archive = ImageArchive.open(written(tmp_path, made.docker_25(NAMED)))
    other = ImageArchive.open(made.write(tmp_path / "b.tar", made.docker_25([(OTHER, ["other:1"])]))).images[0]
    with pytest.raises(ValueError, match="has no image sha256:"):
        archive.stream({"other:1": other})


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
