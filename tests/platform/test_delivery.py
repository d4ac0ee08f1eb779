"""Delivery of images that were built elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from harness.artefacts.sources import FoundImage, Route
from harness.cluster import Cluster
from harness.common.progress import quiet
from harness.doctor import EngineFacts
from harness.errors import EngineError
from harness.extension.dockerfiles import Container
from harness.images import builders
from harness.platform import delivery
from harness.platform.registry import PlatformRegistry
from harness.settings import Settings

REGISTRY = "registry.site/team"


class Nodes:
    """A cluster that notes what is imported."""

    def __init__(self) -> None:
        self.imported: list[str] = []

    def import_images(self, images: Mapping[str, str]) -> None:
        self.imported += images

    def withdraw_images(self, references: Iterable[str]) -> None:
        list(references)


def found(reference: str, route: Route) -> FoundImage:
    return FoundImage(reference, reference, "there", "sha256:1", (), route, lambda say: "sha256:1")


@pytest.mark.parametrize(
    ("route", "push_all", "imported"),
    [
        (Route.PUSH, False, ["busybox:1.36"]),
        (Route.UPLOAD, False, ["busybox:1.36"]),
        (Route.UPLOAD, True, ["busybox:1.36"]),
        # nodes pull it from where it is
        (Route.PULL, False, []),
    ],
)
def test_an_image_of_another_registry_is_not_pushed_to_the_platforms(
    route: Route, push_all: bool, imported: list[str]
) -> None:
    nodes, pushed = Nodes(), list[str]()
    registry = SimpleNamespace(
        name=REGISTRY,
        serves=lambda reference: reference.startswith(f"{REGISTRY}/"),
        has=lambda reference, image_id: False,
        push=lambda image_id, reference: pushed.append(reference),
    )
    images = [found("busybox:1.36", route), found(f"{REGISTRY}/tool:1", Route.PUSH)]
    delivery.deliver_found(cast(Cluster, nodes), cast(PlatformRegistry, registry), images, push_all=push_all, say=quiet)
    assert pushed == [f"{REGISTRY}/tool:1"]
    assert nodes.imported == imported


def test_nothing_is_built_when_a_container_needs_a_missing_builder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    engine = EngineFacts("unix:///x", "up", version="28.5.2", api="1.51")
    monkeypatch.setattr(builders, "require_engine", lambda: engine)
    monkeypatch.setattr(delivery, "build_extension_image", lambda *_, **__: pytest.fail("something is built"))
    containers = []
    for name, step in (("first", "RUN true"), ("second", "RUN --mount=type=cache,target=/x true")):
        dockerfile = tmp_path / name / "Dockerfile"
        dockerfile.parent.mkdir()
        dockerfile.write_text(f"FROM x\n{step}\n")
        containers.append(Container(dockerfile.parent, dockerfile, name, None, False, False, ("x",)))
    with pytest.raises(EngineError) as caught:
        delivery.build(containers, lambda container: container.image, Settings(), quiet)
    assert caught.value.cause.startswith(f"{tmp_path}/second/Dockerfile:2: RUN --mount needs BuildKit")
    assert caught.value.fix == "unset DOCKER_BUILDKIT"


def test_steps_and_notices_of_a_build_are_reported_and_its_output_is_not() -> None:
    said: list[str] = []
    lines = delivery._Lines("tool", said.append)
    for line in ("Step 1/2 : FROM x", "Collecting numpy"):
        lines(line)
    lines.notice("# syntax=y is read by the builder's own frontend")
    assert said == [
        "building tool: Step 1/2 : FROM x",
        "building tool: # syntax=y is read by the builder's own frontend",
    ]
