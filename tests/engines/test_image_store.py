"""With containerd's image store, an image's id is the digest of its manifest, not of its configuration."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import engine
from harness.errors import ImageError
from harness.incluster.controlplane.engine import EngineCallError
from harness.incluster.controlplane.http import Reply
from harness.incluster.controlplane.images import Images
from harness.incluster.controlplane.registry import ServedName
from harness.kube.pullsecrets import Login
from tests.engines.scripted import Answer, ScriptedEngine

CONFIG, MANIFEST, INDEX = (f"sha256:{letter * 64}" for letter in "abc")


class Engine:
    """Has images by their ids; what it is asked to pull it has then."""

    def __init__(self, *present: str) -> None:
        self.present = set(present)
        self.pulled: list[str] = []

    async def call(self, method: str, path: str) -> Any:
        image = path.removeprefix("/images/").removesuffix("/json")
        if image in self.present:
            return {"Id": image}
        if image in self.pulled:
            return {"Id": "sha256:pulled"}
        raise EngineCallError(404, f"No such image: {image}")

    async def stream(
        self, method: str, path: str, *, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> AsyncIterator[bytes]:
        self.pulled.append(query["fromImage"])
        yield b'{"status": "Pull complete"}\n'


class Registry:
    """Has one image under every name."""

    address = "localhost:5000"

    def __init__(self, document: dict[str, Any], digest: str) -> None:
        self.reply = Reply(200, {"docker-content-digest": digest}, json.dumps(document).encode())

    def find(self, reference: str) -> ServedName:
        return ServedName("")

    async def ask(self, path: str, logins: Sequence[Login]) -> Reply:
        return self.reply


@pytest.mark.parametrize(
    ("present", "document", "digest", "found"),
    [
        (CONFIG, {"config": {"digest": CONFIG}}, MANIFEST, CONFIG),
        (MANIFEST, {"config": {"digest": CONFIG}}, MANIFEST, MANIFEST),
        (INDEX, {"manifests": [{"digest": MANIFEST}]}, INDEX, INDEX),
        ("", {"config": {"digest": CONFIG}}, MANIFEST, "sha256:pulled"),
    ],
    ids=["overlay2", "containerd", "containerd, an index", "absent"],
)
def test_an_image_that_the_engine_has_is_not_pulled(
    present: str, document: dict[str, Any], digest: str, found: str
) -> None:
    there = Engine(present)
    images = Images(there)  # type: ignore[arg-type]
    images.registry = Registry(document, digest)  # type: ignore[assignment]
    assert asyncio.run(images.resolve("localhost:5000/team/otsu:1", None)) == found
    assert bool(there.pulled) is (found == "sha256:pulled")


def test_an_image_that_is_taken_in_but_cannot_be_unpacked_is_an_error_and_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker 28.5 does this to an image whose layer is no tar file."""
    name = "kaapana-harness/delivered:1"
    words = "failed to extract layer sha256:d607: archive/tar: invalid tar header"
    said = (
        {"stream": f"Loaded image: {name}\n"},
        {"stream": f'Error unpacking image {name}: apply layer error for "docker.io/{name}": {words}\n'},
    )
    scripted = ScriptedEngine({"POST /images/load": Answer(said), f"DELETE /images/{name}": Answer(([],))})
    with scripted.listening(tmp_path / "engine.sock") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with (
            engine.connect_api() as api,
            pytest.raises(ImageError, match=r"the engine does not load images\.tar") as caught,
        ):
            engine.load_images(api, iter([b"x"]), "images.tar")
    assert caught.value.last_seen.endswith("archive/tar: invalid tar header")
    assert [request.path for request in scripted.requests] == ["/images/load", f"/images/{name}"]


def test_an_engine_that_loads_an_archive_without_a_word_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = ScriptedEngine({"POST /images/load": Answer(({"status": "Loading layer"},), silent=True)})
    with scripted.listening(tmp_path / "engine.sock") as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with engine.connect_api(timeout_s=1) as api, pytest.raises(ImageError, match="does not load") as caught:
            engine.load_images(api, iter([b"x"]), "images.tar")
    assert caught.value.last_seen == "no answer within 1 s"
