"""Where images that were built elsewhere go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import cast

import pytest

from harness.artefacts.sources import FoundImage, Route
from harness.cluster import Cluster
from harness.common.progress import quiet
from harness.platform import delivery
from harness.platform.registry import PlatformRegistry

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
