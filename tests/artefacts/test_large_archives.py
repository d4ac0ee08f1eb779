"""An archive of half a gigabyte is read in place, in little memory."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import zstandard

_SIZE = 500 << 20
_BLOCK = bytes(1 << 20)
# in a process of its own: what others of this one have allocated does not count
_PROGRAM = """
import json, resource, sys
from harness.artefacts.archive import ImageArchive

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

def bytes_read():
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])

before = peak()
archive = ImageArchive.open(sys.argv[1])
# once more, now that whatever is imported late has been
start = bytes_read()
archive = ImageArchive.open(sys.argv[1])
read = bytes_read() - start
progress = []
length = largest = 0
for block in archive.stream({"x:1": archive.images[0]}, on_bytes=lambda *state: progress.append(state)):
    length += len(block)
    largest = max(largest, len(block))
json.dump({
    "read": read, "growth": peak() - before, "length": length, "largest": largest,
    "progress": progress, "size": archive.images[0].size,
}, sys.stdout)
"""


def zeros_as_zstd() -> bytes:
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    parts = [compressor.compress(_BLOCK) for _ in range(_SIZE // len(_BLOCK))]
    return b"".join([*parts, compressor.flush()])


def write(path: Path, layer: bytes | None) -> None:
    """An archive with one layer of zeros; without bytes for it they are a hole of the file."""
    digest = hashlib.sha256()
    for _ in range(_SIZE // len(_BLOCK)):
        digest.update(_BLOCK)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest.hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": ["x:1"], "Layers": ["layer.tar"]}]
    with path.open("wb") as raw:
        for name, document in (("config.json", config), ("manifest.json", manifest)):
            data = json.dumps(document).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            raw.write(info.tobuf() + data + bytes(-len(data) % 512))
        info = tarfile.TarInfo("layer.tar")
        info.size = _SIZE if layer is None else len(layer)
        raw.write(info.tobuf() + (layer or b""))
        raw.truncate(raw.tell() + (_SIZE if layer is None else -len(layer) % 512) + 1024)


@pytest.mark.parametrize("packing", ["plain", "zstd"])
def test_a_large_archive_is_opened_by_its_headers_and_streamed_in_little_memory_with_its_progress(
    tmp_path: Path, packing: str
) -> None:
    path = tmp_path / "images.tar"
    write(path, zeros_as_zstd() if packing == "zstd" else None)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(path)], capture_output=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    # Python 3.14 reads 128 KiB at a time
    assert 0 < found["read"] < 1 << 20
    assert found["growth"] < 64 << 20
    assert found["largest"] <= 1 << 20
    assert found["length"] > _SIZE
    counts = [count for count, _ in found["progress"]]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] == found["size"]
    assert {total for _, total in found["progress"]} == {found["size"]}
