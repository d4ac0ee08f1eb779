"""Packages and archives of images with wrong documents and wrong bytes: read or refused, without growing."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from harness.artefacts import package as packages
from harness.artefacts.archive import ImageArchive
from tests.attacks.input_fuzz import fuzzed, nasty_text, nasty_value, refusal, replaced

DIGEST = "sha256:" + "0" * 64
CONFIG: dict[str, Any] = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [DIGEST]}}
DOCKER: list[dict[str, Any]] = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["l.tar"]}]
INDEX: dict[str, Any] = {
    "schemaVersion": 2,
    "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST, "size": 10}],
}
PLACES: list[tuple[str, tuple[Any, ...]]] = [
    ("manifest.json", ()), ("manifest.json", (0,)), ("manifest.json", (0, "Config")), ("manifest.json", (0, "Layers")),
    ("manifest.json", (0, "Layers", 0)), ("manifest.json", (0, "RepoTags")), ("manifest.json", (0, "RepoTags", 0)),
    ("c.json", ()), ("c.json", ("rootfs",)), ("c.json", ("rootfs", "diff_ids")), ("c.json", ("rootfs", "diff_ids", 0)),
    ("c.json", ("architecture",)), ("index.json", ()), ("index.json", ("manifests",)), ("index.json", ("manifests", 0)),
    ("index.json", ("manifests", 0, "digest")), ("index.json", ("manifests", 0, "size")), ("c.json", ("config",)),
    ("index.json", ("manifests", 0, "annotations")), ("index.json", ("manifests", 0, "platform")),
]  # fmt: skip
CHART: dict[str, Any] = {"apiVersion": "v2", "name": "x", "version": "0.1.0", "keywords": ["kaapanaapplication"]}
CHART_PLACES: list[tuple[Any, ...]] = [
    (), ("name",), ("version",), ("apiVersion",), ("keywords",), ("dependencies",), ("dependencies", "0"), ("type",),
]  # fmt: skip
edits = st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(0, 255)), max_size=4)


def packed(members: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def damaged(data: bytes, changes: list[tuple[int, int]], cut: int | None) -> bytes:
    changed = bytearray(data)
    for at, value in changes:
        changed[at % len(changed)] = value
    return bytes(changed[: cut % len(changed)] if cut is not None else changed)


@fuzzed
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), nasty_value), max_size=2), edits, st.none() | st.integers(0, 1 << 14)
)
def test_an_archive_of_images_with_wrong_documents_or_bytes_is_read_or_refused(
    changes: list[tuple[tuple[str, tuple[Any, ...]], Any]], bytes_changed: list[tuple[int, int]], cut: int | None
) -> None:
    documents: dict[str, Any] = {"manifest.json": DOCKER, "c.json": CONFIG, "index.json": INDEX}
    for (name, place), value in changes:
        documents[name] = replaced(documents[name], place, value)
    members = {name: json.dumps(document).encode("utf-8", "replace") for name, document in documents.items()}
    members |= {"l.tar": packed({"f": b"x"}), "oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.tar"
        file.write_bytes(damaged(packed(members), bytes_changed, cut))

        def read() -> None:
            archive = ImageArchive.open(file, architecture="amd64")
            for _ in archive.stream({name: image for image in archive.images for name in image.references}):
                pass

        error = refusal(read)
        assert error is None or "images.tar" in str(error)


@fuzzed
@given(
    st.sampled_from(CHART_PLACES),
    nasty_value,
    nasty_text.filter(lambda name: "\0" not in name),
    edits,
    st.none() | st.integers(0, 1 << 12),
    st.booleans(),
)
@example((), None, "a" * 5000, [], None, False)
def test_a_package_with_wrong_documents_or_bytes_is_read_or_refused(
    place: tuple[Any, ...],
    value: Any,
    name: str,
    bytes_changed: list[tuple[int, int]],
    cut: int | None,
    whole: bool,
) -> None:
    text = yaml.safe_dump(replaced(CHART, place, value)).encode()
    plain = packed({"x/Chart.yaml": text, f"x/charts/{name or 'y'}/Chart.yaml": text, "x/values.yaml": b"global: {}"})
    data = gzip.compress(plain if whole else damaged(plain, bytes_changed, cut), mtime=0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x-0.1.0.tgz"
        file.write_bytes(damaged(data, bytes_changed, cut) if whole else data)

        def read() -> None:
            package = packages.read(file)
            assert package.parameters is not None

        error = refusal(read)
        assert error is None or "x-0.1.0.tgz" in str(error)
