"""With containerd's image store, an image's id is the digest of its manifest, not of its configuration."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from harness import engine
from harness.errors import ImageError
from harness.incluster.controlplane.engine import EngineCallError
from harness.incluster.controlplane.http import Reply
from harness.incluster.controlplane.images import Images
from harness.incluster.controlplane.registry import ServedName
from harness.kube.pullsecrets import Login

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


class Loading:
    """Loads an archive as Docker 28.5 does whose layer is no tar file."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    def load_image(self, archive: object) -> list[dict[str, str]]:
        name = "kaapana-harness/delivered:1"
        words = "failed to extract layer sha256:d607: archive/tar: invalid tar header"
        return [
            {"stream": f"Loaded image: {name}\n"},
            {"stream": f'Error unpacking image {name}: apply layer error for "docker.io/{name}": {words}\n'},
        ]

    def remove_image(self, name: str) -> None:
        self.removed.append(name)


def test_an_image_that_is_taken_in_but_cannot_be_unpacked_is_an_error_and_does_not_stay() -> None:
    api = Loading()
    with pytest.raises(ImageError, match=r"the engine does not load images\.tar") as caught:
        engine.load_images(api, iter([b""]), "images.tar")  # type: ignore[arg-type]
    assert caught.value.last_seen.endswith("archive/tar: invalid tar header")
    assert api.removed == ["kaapana-harness/delivered:1"]
