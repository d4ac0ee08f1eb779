"""Converted archives, on the engine of this machine."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import engine
from harness.artefacts import engine_archives
from harness.artefacts.archive import ArchiveError, ImageArchive
from harness.cluster.context.images import RegistryImages
from harness.doctor.facts import EngineFacts
from harness.engine import connect
from harness.errors import ImageError
from tests.artefacts import made_archives as made
from tests.artefacts.made_archives import ARM_TOOL

if TYPE_CHECKING:
    import docker


@pytest.fixture(scope="module")
def client(usable_engine: EngineFacts) -> Iterator[docker.DockerClient]:
    with contextlib.closing(connect()) as client:
        yield client


@pytest.fixture
def keep_as(client: docker.DockerClient) -> Iterator[str]:
    """A repository of this test, whose images are removed after it."""
    name = f"kaapana-harness-test/{secrets.token_hex(6)}"
    yield name
    for image in client.images.list(name=name):
        for tag in image.tags:
            client.api.remove_image(tag)


@pytest.fixture
def images(client: docker.DockerClient) -> made.Named:
    """Two images that no engine has seen, for this one."""
    architecture = client.version()["Arch"]
    base = made.layer("base.txt", secrets.token_bytes(3000))
    tool = made.MadeImage((base, made.layer("tool.txt", secrets.token_bytes(2000))), architecture)
    other = made.MadeImage((base, made.layer("other.txt", secrets.token_bytes(2000))), architecture)
    return [(tool, ["kaapana-harness-test/tool:1"]), (other, ["kaapana-harness-test/other:1"])]


LAYOUTS: dict[str, Callable[[made.Named], list[made.Entry]]] = {
    "docker up to 24": made.docker_legacy,
    "docker since 25": made.docker_25,
    "podman docker-archive": made.podman_docker_archive,
    "podman oci-archive, gzip": made.podman_oci_archive,
    "OCI, zstd:chunked": lambda images: made.podman_oci_archive(images, made.zstd_chunked),
    "kaniko": made.build_tool_archive,
}


def layers_of(client: docker.DockerClient, name: str) -> list[str]:
    found: list[str] = client.api.inspect_image(name)["RootFS"]["Layers"]  # type: ignore[no-untyped-call]
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_engine_has_the_same_images_under_our_names_only(
    client: docker.DockerClient, keep_as: str, images: made.Named, tmp_path: Path, layout: str
) -> None:
    path = made.write(tmp_path / "images.tar", LAYOUTS[layout](images))
    assert engine_archives.list_contents(path) == {tags[0]: made.digest(image.config) for image, tags in images}
    loaded = engine_archives.load(client, path, keep_as=keep_as)
    assert set(loaded) == {tags[0] for _, tags in images}
    for image, (reference,) in images:
        name = f"{keep_as}:{made.hexadecimal(image.config)[:24]}"
        assert loaded[reference] == client.images.get(name).id
        assert layers_of(client, name) == [made.digest(data) for data in image.layers]
        assert client.images.get(name).labels == {"made": "by a test"}
        assert client.images.list(name=reference) == []


def test_a_name_that_the_user_has_stays_with_the_users_image(
    client: docker.DockerClient, keep_as: str, images: made.Named, tmp_path: Path
) -> None:
    (_, (reference,)), (other, _) = images
    first = engine_archives.load(client, made.write(tmp_path / "a.tar", made.docker_25(images[:1])), keep_as=keep_as)
    client.api.tag(first[reference], f"{keep_as}/theirs", "1")
    try:
        path = made.write(tmp_path / "b.tar", made.docker_25([(other, [f"{keep_as}/theirs:1"])]))
        second = engine_archives.load(client, path, keep_as=keep_as)
        assert client.images.get(f"{keep_as}/theirs:1").id == first[reference]
        assert second[f"{keep_as}/theirs:1"] != first[reference]
    finally:
        client.api.remove_image(f"{keep_as}/theirs:1")


def test_an_image_that_the_engine_has_is_not_sent_again(
    client: docker.DockerClient,
    keep_as: str,
    images: made.Named,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[dict[str, object]] = []
    stream = ImageArchive.stream
    monkeypatch.setattr(ImageArchive, "stream", lambda self, names: (sent.append(dict(names)), stream(self, names))[1])
    (tool, _), (other, _) = images
    engine_archives.load(client, made.write(tmp_path / "a.tar", made.docker_25(images[:1])), keep_as=keep_as)
    path = made.write(tmp_path / "b.tar", made.podman_oci_archive(images))
    again = engine_archives.load(client, path, keep_as=keep_as)
    assert engine_archives.load(client, path, keep_as=keep_as) == again
    assert [list(names) for names in sent] == [
        [f"{keep_as}:{made.hexadecimal(image.config)[:24]}"] for image in (tool, other)
    ]


def test_a_damaged_layer_leaves_nothing_in_the_engine(
    client: docker.DockerClient, keep_as: str, images: made.Named, tmp_path: Path
) -> None:
    data = images[1][0].layers[1]
    entries = [(name, bytes(len(data)) if content == data else content) for name, content in made.docker_25(images)]
    with pytest.raises(ArchiveError, match=r"its layer .* is damaged"):
        engine_archives.load(client, made.write(tmp_path / "images.tar", entries), keep_as=keep_as)
    assert client.images.list(name=keep_as) == []
    client.ping()


def test_the_engines_words_about_an_image_are_in_the_error(
    client: docker.DockerClient, keep_as: str, tmp_path: Path
) -> None:
    # the digests are right, but the layer is not a tar file
    image = made.MadeImage((secrets.token_bytes(2000),), client.version()["Arch"])
    path = made.write(tmp_path / "images.tar", made.docker_25([(image, ["tool:1"])]))
    with pytest.raises(ImageError, match="the engine does not load") as caught:
        engine_archives.load(client, path, keep_as=keep_as)
    assert "tar" in caught.value.last_seen


def test_the_engines_answer_to_a_request_that_fails_as_a_whole_is_in_the_error(
    client: docker.DockerClient,
) -> None:
    with pytest.raises(ImageError, match=r"the engine does not load images\.tar") as caught:
        engine.load_images(client.api, iter([b"no tar file" * 1000]), "images.tar")
    assert "tar" in caught.value.last_seen


def test_images_for_another_architecture_are_not_loaded(
    client: docker.DockerClient, keep_as: str, tmp_path: Path
) -> None:
    image = made.MadeImage(ARM_TOOL.layers, "s390x")
    path = made.write(tmp_path / "images.tar", made.docker_25([(image, ["tool:1"])]))
    with pytest.raises(ArchiveError, match="tool:1 is an image for linux/s390x, the engine runs linux/"):
        engine_archives.load(client, path, keep_as=keep_as)
    assert client.images.list(name=keep_as) == []


@pytest.mark.parametrize("push_fails", [False, True])
def test_images_on_their_way_to_a_registry_have_no_name_in_the_engine_afterwards(
    client: docker.DockerClient,
    keep_as: str,
    images: made.Named,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    push_fails: bool,
) -> None:
    pushed: dict[str, str] = {}

    def push(self: RegistryImages, found: dict[str, str]) -> dict[str, str]:
        pushed.update({reference: str(client.images.get(image).id) for reference, image in found.items()})
        if push_fails:
            raise ImageError("the registry does not take it")
        return {}

    monkeypatch.setattr(RegistryImages, "provide", push)
    path = made.write(tmp_path / "images.tar", made.podman_oci_archive(images))
    with pytest.raises(ImageError) if push_fails else contextlib.nullcontext():
        RegistryImages(client, "x.invalid", "x.invalid/own", keep_as).import_archive(path)
    assert set(pushed) == {tags[0] for _, tags in images}
    assert client.images.list(name=keep_as) == []
