"""Archives of images on their way to the nodes of kind, without an engine and without a cluster."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import pytest

from harness.artefacts.archive import ArchiveError, ImageArchive
from harness.cluster.kind.images import NodeImages
from harness.cluster.kind.nodes import KindNode, pipe
from harness.errors import ImageError, PlatformError
from tests.artefacts import made_archives as made
from tests.artefacts.made_archives import OTHER, TOOL


class _Engine:
    def version(self) -> dict[str, str]:
        return {"Arch": "amd64"}


class _Node:
    """A node whose containerd reads a stream to its end; what is not an archive it does not take."""

    def __init__(self) -> None:
        self.taken = b""
        self.noticed: list[str] = []

    def import_images(self, stream: IO[bytes]) -> None:
        # FileIO: a read returns what is there
        self.taken = b"".join(iter(lambda: stream.read(100_000), b""))
        try:
            with tarfile.open(fileobj=io.BytesIO(self.taken)) as file:
                file.getmember("manifest.json")
        except (tarfile.TarError, KeyError) as error:
            raise PlatformError("ctr failed on node x", last_seen=str(error)) from None

    def wait_until_noticed(self, references: list[str]) -> None:
        self.noticed = references


class _FullNode(_Node):
    """A node that ends the import after some bytes."""

    def import_images(self, stream: IO[bytes]) -> None:
        stream.read(10)
        raise PlatformError("ctr failed on node x", last_seen="no space left on device")


def images_of(*nodes: _Node) -> NodeImages:
    return NodeImages(cast(Any, _Engine()), cast(list[KindNode], list(nodes)), "x/node")


@pytest.mark.parametrize(
    "layout", [made.docker_legacy, lambda images: made.podman_oci_archive(images, made.zstd)], ids=["docker", "zstd"]
)
def test_every_node_gets_the_images_in_the_layout_that_containerd_takes(
    tmp_path: Path, layout: Callable[[made.Named], list[made.Entry]]
) -> None:
    nodes = [_Node(), _Node()]
    path = made.write(tmp_path / "images.tar", layout([(TOOL, ["group/tool:1"]), (OTHER, ["a.example/other:2"])]))
    assert images_of(*nodes).import_archive(path) == ["a.example/other:2", "group/tool:1"]
    for node in nodes:
        (tmp_path / "taken.tar").write_bytes(node.taken)
        found = ImageArchive.open(tmp_path / "taken.tar").images
        assert [image.config_digest for image in found] == [made.digest(TOOL.config), made.digest(OTHER.config)]
        assert sorted(node.noticed) == ["a.example/other:2", "docker.io/group/tool:1"]


def test_a_damaged_layer_is_the_error_and_not_what_the_node_makes_of_it(tmp_path: Path) -> None:
    data = TOOL.layers[1]
    entries = [
        (name, bytes(len(data)) if content == data else content)
        for name, content in made.docker_25([(TOOL, ["tool:1"])])
    ]
    with pytest.raises(ArchiveError, match=r"tool:1: its layer .* is damaged"):
        images_of(_Node()).import_archive(made.write(tmp_path / "images.tar", entries))


def test_a_node_that_ends_an_import_does_not_leave_us_waiting(tmp_path: Path) -> None:
    image = made.MadeImage((made.layer("large", bytes(1 << 20)),))
    path = made.write(tmp_path / "images.tar", made.docker_25([(image, ["tool:1"])]))
    with pytest.raises(ImageError, match="the nodes do not load") as caught:
        images_of(_FullNode()).import_archive(path)
    assert caught.value.last_seen == "no space left on device"


def test_images_for_another_architecture_reach_no_node(tmp_path: Path) -> None:
    node = _Node()
    path = made.write(tmp_path / "images.tar", made.docker_25([(made.ARM_TOOL, ["tool:1"])]))
    with pytest.raises(ArchiveError, match="tool:1 is an image for linux/arm64/v8, the engine runs linux/amd64"):
        images_of(node).import_archive(path)
    assert node.taken == b""


def test_a_pipe_is_closed_at_both_ends_whatever_happens() -> None:
    with pytest.raises(KeyError), pipe(iter([bytes(1 << 20)])) as stream:
        raise KeyError
    assert stream.closed
    with pipe(iter([b"a", b"b"])) as stream:
        assert b"".join(iter(lambda: stream.read(10), b"")) == b"ab"
