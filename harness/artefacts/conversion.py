"""Images as one stream in the layout of ``docker save`` that every engine and containerd load, checked as it passes."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, cast

import zstandard

from harness.artefacts.archived_image import StoredImage, StoredLayer, sha256
from harness.artefacts.members import BLOCK, Members
from harness.artefacts.model import ArchiveError
from harness.common.documents import abridge_text

OnBytes = Callable[[int, int], None]
"""Called with the bytes of layers that were read so far and those there are."""

# no honest layer unpacks to more; a bomb would keep us busy for hours
_LARGEST_LAYER = 64 << 30
_PIECE = 8 << 10
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
# a frame that carries no data, which some tools put before or after the others
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"


def convert(members: Members, images: Mapping[str, StoredImage], on_bytes: OnBytes) -> Iterator[bytes]:
    """Yield a tar stream with ``manifest.json``, ``<config>.json`` and ``<diff id>/layer.tar``.

    ``manifest.json`` comes last: a stream that breaks off is no archive of images.

    Args:
        members: of the archive.
        images: by the tags that they get.
        on_bytes: takes the progress.

    Raises:
        ArchiveError: in the middle of the stream, if a layer or a configuration is not what its digest says.
    """
    layers = {layer.diff_id: (layer, tag) for tag, stored in images.items() for layer in stored.layers}
    total = sum(layer.member.size for layer, _ in layers.values())
    done = 0

    def read(count: int) -> None:
        nonlocal done
        done += count
        on_bytes(done, total)

    read(0)
    for diff_id, (layer, tag) in layers.items():
        passing = _PassingLayer(members, layer, tag)
        yield from _file(f"{_hex(diff_id)}/layer.tar", passing.size(), passing.blocks(read))
    configs = {stored.image.config_digest: stored for stored in images.values()}
    for digest, stored in configs.items():
        data = b"".join(members.blocks(stored.config))
        if sha256(data) != digest:
            raise ArchiveError(f"{members.path}: {stored.image}: its configuration changed while it was read")
        yield from _file(f"{_hex(digest)}.json", len(data), [data])
    manifest = [
        {
            "Config": f"{_hex(digest)}.json",
            "RepoTags": [tag for tag, named in images.items() if named.image.config_digest == digest],
            "Layers": [f"{_hex(layer.diff_id)}/layer.tar" for layer in stored.layers],
        }
        for digest, stored in configs.items()
    ]
    data = json.dumps(manifest).encode()
    yield from _file("manifest.json", len(data), [data])
    yield bytes(2 * tarfile.BLOCKSIZE)


class _PassingLayer:
    """The bytes of one layer to pass on, checked to their end."""

    def __init__(self, members: Members, layer: StoredLayer, image: str) -> None:
        self._members = members
        self._layer = layer
        self._what = f"{members.path}: {image}: its layer {abridge_text(layer.member.name)}"
        start = next(members.blocks(layer.member._replace(size=min(4, layer.member.size))), b"")
        self._is_gzip = start.startswith(_GZIP)
        self._is_zstd = start.startswith(_ZSTD) or (start[1:] == _ZSTD_SKIPPABLE and start[0] >> 4 == 5)

    def size(self) -> int:
        """Return the number of bytes that are passed on."""
        if not self._is_zstd:
            return self._layer.member.size
        # only the unpacked bytes have it for sure: unpacking twice needs neither memory nor disk
        return sum(len(block) for block in self.blocks(lambda count: None))

    def blocks(self, on_read: Callable[[int], None]) -> Iterator[bytes]:
        """Yield the bytes of the layer.

        Raises:
            ArchiveError: at the end, they have another digest than stated; earlier, they cannot be unpacked.
        """
        stored = hashlib.sha256()
        # an unpacked layer has the same bytes, and a digest of gigabytes takes seconds
        unpacked = hashlib.sha256() if self._is_gzip or self._is_zstd else stored
        unpacked_size = 0

        def read() -> Iterator[bytes]:
            # the digest is worked out while the engine takes the block
            with ThreadPoolExecutor(max_workers=1) as beside:
                for block in self._members.blocks(self._layer.member):
                    hashed = beside.submit(stored.update, block)
                    yield block
                    hashed.result()
                    on_read(len(block))

        def count(block: bytes) -> None:
            nonlocal unpacked_size
            unpacked_size += len(block)
            if unpacked_size > _LARGEST_LAYER:
                raise ArchiveError(f"{self._what} unpacks to more than {_LARGEST_LAYER >> 30} GiB")
            if unpacked is not stored:
                unpacked.update(block)

        try:
            if self._is_zstd:
                for block in _unzstd(read()):
                    count(block)
                    yield block
            elif self._is_gzip:
                gunzip = _Gunzip()
                for block in read():
                    for part in gunzip.unpack(block):
                        count(part)
                    yield block
                gunzip.finish()
            else:
                for block in read():
                    count(block)
                    yield block
        except (zlib.error, zstandard.ZstdError) as error:
            raise ArchiveError(f"{self._what} is damaged: {error}") from None
        if self._layer.digest and f"sha256:{stored.hexdigest()}" != self._layer.digest:
            raise ArchiveError(f"{self._what} is damaged: its digest is sha256:{stored.hexdigest()}")
        if f"sha256:{unpacked.hexdigest()}" != self._layer.diff_id:
            raise ArchiveError(
                f"{self._what} is not the one of the configuration, {self._layer.diff_id}: its digest, unpacked, is "
                f"sha256:{unpacked.hexdigest()}"
            )


class _Gunzip:
    """Unpacks what comes block by block, of one gzip member or several, at most a block at a time."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._started = False

    def unpack(self, data: bytes) -> Iterator[bytes]:
        # a member's end gives back the rest of what was passed: small pieces, so that many members are not copied often
        for at in range(0, len(data), _PIECE):
            yield from self._unpack(data[at : at + _PIECE])

    def _unpack(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            yield self._member.decompress(data, BLOCK)
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        if not self._member.eof:
            raise zlib.error("it is cut off")


class _Source:
    """A stream of blocks as a file that is read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    def read(self, size: int = -1) -> bytes:
        return next(self._blocks, b"")


def _unzstd(blocks: Iterator[bytes]) -> Iterator[bytes]:
    source = cast(IO[bytes], _Source(blocks))
    reader = zstandard.ZstdDecompressor().stream_reader(source, read_size=BLOCK, read_across_frames=True)
    while block := reader.read(BLOCK):
        yield block


def _file(name: str, size: int, blocks: Iterable[bytes]) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size = size
    yield info.tobuf(tarfile.GNU_FORMAT)
    yield from blocks
    yield bytes(-size % tarfile.BLOCKSIZE)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
