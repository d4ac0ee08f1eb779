"""Archives as people have them: the same images come out of every layout."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.artefacts.archive import ArchivedImage, ArchiveError, ImageArchive, ImagePlatform
from harness.common import references
from tests.artefacts import made_archives as made
from tests.artefacts.made_archives import ARM_TOOL, OTHER, TOOL, Oci

IMAGES: made.Named = [(TOOL, ["tool:1", "registry.example:5000/group/tool:1.2"]), (OTHER, ["other:latest"])]
LAYOUTS: dict[str, Callable[[made.Named], list[made.Entry]]] = {
    "docker up to 24": made.docker_legacy,
    "docker since 25": made.docker_25,
    "docker since 25 with gzip": lambda images: made.docker_25(images, made.zipped),
    "podman docker-archive": made.podman_docker_archive,
    "podman oci-archive": made.podman_oci_archive,
    "kaniko": made.build_tool_archive,
    "OCI, gzip in parts": lambda images: made.podman_oci_archive(images, made.zipped_in_parts),
    "OCI, zstd": lambda images: made.podman_oci_archive(images, made.zstd),
    "OCI, zstd:chunked": lambda images: made.podman_oci_archive(images, made.zstd_chunked),
}


def streamed(archive: ImageArchive) -> bytes:
    return b"".join(archive.stream({name: image for image in archive.images for name in image.references}))


def identity(image: ArchivedImage) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return image.config_digest, image.diff_ids, image.references


@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_images_come_out_of_every_layout_and_out_of_what_it_is_converted_to(
    tmp_path: Path, layout: str, prefix: str
) -> None:
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", LAYOUTS[layout](IMAGES), prefix=prefix))
    tool, other = archive.images
    assert tool.config_digest == made.digest(TOOL.config)
    assert tool.diff_ids == tuple(made.digest(data) for data in TOOL.layers)
    assert tool.references == ("tool:1", "registry.example:5000/group/tool:1.2")
    assert other.references == ("other:latest",)
    assert tool.platform == ImagePlatform("linux", "amd64")
    assert tool.config["config"]["Labels"] == {"made": "by a test"}
    (tmp_path / "b.tar").write_bytes(streamed(archive))
    again = ImageArchive.open(tmp_path / "b.tar")
    assert [identity(image) for image in again.images] == [identity(image) for image in archive.images]
    assert streamed(again) == streamed(ImageArchive.open(tmp_path / "b.tar"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_converted_archive_has_a_shared_layer_once_and_its_contents_last(tmp_path: Path, layout: str) -> None:
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", LAYOUTS[layout](IMAGES)))
    with tarfile.open(fileobj=io.BytesIO(streamed(archive))) as file:
        names = file.getnames()
        read = {name: file.extractfile(name).read() for name in names}  # type: ignore[union-attr]
    layers = [f"{made.hexadecimal(data)}/layer.tar" for data in (*TOOL.layers, OTHER.layers[1])]
    configs = [f"{made.hexadecimal(image.config)}.json" for image in (TOOL, OTHER)]
    assert names == [*layers, *configs, "manifest.json"]
    manifest = json.loads(read["manifest.json"])
    assert [entry["RepoTags"] for entry in manifest] == [list(image.references) for image in archive.images]
    if "gzip" not in layout and layout not in ("kaniko", "podman oci-archive"):
        assert read[layers[0]] == TOOL.layers[0]


def test_an_image_is_found_by_any_notation_of_its_name(tmp_path: Path) -> None:
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", made.docker_25([(TOOL, ["tool:latest"])])))
    for name in ("tool", "tool:latest", "docker.io/library/tool:latest", "index.docker.io/library/tool"):
        assert archive.find(name) is archive.images[0]
    assert archive.find("tool:2") is None
    assert archive.find("No Name") is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_without_a_tag_is_in_the_archive_without_a_name(tmp_path: Path, layout: str) -> None:
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", LAYOUTS[layout]([(TOOL, [])])))
    assert [image.references for image in archive.images] == [()]
    stream = b"".join(archive.stream({"named:1": archive.images[0]}))
    (tmp_path / "b.tar").write_bytes(stream)
    assert ImageArchive.open(tmp_path / "b.tar").images[0].references == ("named:1",)


def test_a_bare_tag_in_an_index_is_not_an_image_name(tmp_path: Path) -> None:
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", made.podman_oci_archive([(TOOL, ["1.0"])])))
    assert archive.images[0].references == ()


def test_of_two_images_with_one_name_the_later_one_has_it(tmp_path: Path) -> None:
    entries = made.podman_docker_archive([(TOOL, ["tool:1"]), (OTHER, ["tool:1"])])
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", entries))
    assert [image.references for image in archive.images] == [(), ("tool:1",)]


def test_the_last_of_two_members_with_one_name_wins(tmp_path: Path) -> None:
    first, second = made.podman_docker_archive([(TOOL, ["tool:1"])]), made.podman_docker_archive([(OTHER, ["tool:1"])])
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", [*first, *second]))
    assert [image.config_digest for image in archive.images] == [made.digest(OTHER.config)]


def test_links_inside_the_archive_are_followed(tmp_path: Path) -> None:
    entries = dict(made.podman_docker_archive([(TOOL, ["tool:1"])]))
    names = [f"{made.hexadecimal(data)}.tar" for data in TOOL.layers]
    moved = [("deep/a.tar", entries.pop(names[0])), ("deep/b.tar", entries.pop(names[1]))]
    links: list[made.Entry] = [
        (names[0], made.HardLink("deep/a.tar")),
        ("deep/c.tar", made.Link("./b.tar")),
        (names[1], made.Link("deep/c.tar")),
    ]
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", [*moved, *links, *entries.items()]))
    assert streamed(archive)


def multi_platform(*, without: str = "") -> Oci:
    """As ``docker save`` with containerd's image store: an index with two platforms and an attestation."""
    oci = Oci(made.zipped)
    descriptors = {image.architecture: oci.image(image, platform=image.platform) for image in (TOOL, ARM_TOOL)}
    oci.add(oci.index([*descriptors.values(), oci.attestation()]), "docker.io/library/tool:1")
    if without:
        oci.remove(descriptors[without])
    return oci


@pytest.mark.parametrize(("architecture", "image"), [("amd64", TOOL), ("arm64", ARM_TOOL)])
def test_of_several_platforms_the_one_of_the_engine_is_taken(
    tmp_path: Path, architecture: str, image: made.MadeImage
) -> None:
    path = made.write(tmp_path / "a.tar", multi_platform().entries())
    archive = ImageArchive.open(path, architecture=architecture)
    assert [found.config_digest for found in archive.images] == [made.digest(image.config)]
    assert archive.images[0].references == ("tool:1",)


def test_without_a_chosen_platform_all_are_found_under_one_name(tmp_path: Path) -> None:
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", multi_platform().entries()))
    assert [str(image.platform) for image in archive.images] == ["linux/amd64", "linux/arm64/v8"]
    assert [image.references for image in archive.images] == [("tool:1",), ("tool:1",)]


@pytest.mark.parametrize("architecture", ["amd64", None])
def test_platforms_that_the_archive_has_not_do_not_matter_beside_the_one_that_it_has(
    tmp_path: Path, architecture: str | None
) -> None:
    path = made.write(tmp_path / "a.tar", multi_platform(without="arm64").entries())
    archive = ImageArchive.open(path, architecture=architecture)
    assert [image.config_digest for image in archive.images] == [made.digest(TOOL.config)]


def test_a_platform_that_is_listed_but_not_in_the_archive_is_named(tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.tar", multi_platform(without="amd64").entries())
    with pytest.raises(ArchiveError) as caught:
        ImageArchive.open(path, architecture="amd64")
    assert caught.value.cause.startswith(f"{path}: tool:1: its manifest for linux/amd64, sha256:")
    assert caught.value.cause.endswith("is not in the archive; the archive has tool:1 for linux/arm64/v8")


def test_an_index_without_the_platform_of_the_engine_is_refused_with_what_it_has(tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.tar", multi_platform().entries())
    with pytest.raises(ArchiveError) as caught:
        ImageArchive.open(path, architecture="s390x")
    assert caught.value.cause == (
        f"{path}: tool:1 is there for linux/amd64, linux/arm64/v8 only, the engine runs linux/s390x images"
    )


def test_a_manifest_json_beside_an_index_of_platforms_does_not_bring_another_platform_back(tmp_path: Path) -> None:
    oci = multi_platform()
    layers = [f"blobs/sha256/{made.hexadecimal(made.zipped(data))}" for data in ARM_TOOL.layers]
    config = f"blobs/sha256/{made.hexadecimal(ARM_TOOL.config)}"
    manifest = [{"Config": config, "RepoTags": ["tool:1"], "Layers": layers}]
    entries = [*oci.entries(), ("manifest.json", json.dumps(manifest).encode())]
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", entries), architecture="amd64")
    assert [str(image.platform) for image in archive.images] == ["linux/amd64"]


def test_entries_of_a_layout_that_are_not_images_are_skipped(tmp_path: Path) -> None:
    oci = Oci()
    oci.add(oci.image(TOOL), "tool:1")
    chart = {"config": oci.blob(b"{}", "application/vnd.cncf.helm.config.v1+json"), "layers": []}
    oci.add(oci.blob(json.dumps(chart).encode(), made.MANIFEST_TYPE), "charts/tool:1")
    oci.add(oci.attestation())
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", oci.entries()))
    assert [image.references for image in archive.images] == [("tool:1",)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_without_layers_is_one(tmp_path: Path, layout: str) -> None:
    archive = ImageArchive.open(made.write(tmp_path / "a.tar", LAYOUTS[layout]([(made.MadeImage(()), ["empty:1"])])))
    (tmp_path / "b.tar").write_bytes(streamed(archive))
    assert identity(ImageArchive.open(tmp_path / "b.tar").images[0]) == identity(archive.images[0])


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("tool", "tool:latest"),
        ("docker.io/library/tool:1", "tool:1"),
        ("index.docker.io/tool:1", "tool:1"),
        ("docker.io/group/tool", "group/tool:latest"),
        ("localhost/tool:1", "localhost/tool:1"),
        ("localhost:5000/a/b__c/d-e.f:V1.0_x", "localhost:5000/a/b__c/d-e.f:V1.0_x"),
        ("[::1]:5000/tool:1", "[::1]:5000/tool:1"),
    ],
)
def test_a_reference_is_shown_as_the_engine_shows_it(written: str, normal: str) -> None:
    assert references.normalise(written) == normal


@pytest.mark.parametrize(
    "text",
    ["", "Tool:1", "a b", "tool:", "tool:1\n", "-tool", "a//b", "a/:1", "tool@sha256:1", "a" * 256, "a:" + "1" * 129],
)
def test_an_invalid_image_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a reference of an image with a tag"):
        references.normalise(text)
