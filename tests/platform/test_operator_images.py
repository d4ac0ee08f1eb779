"""The platform's own images are one image of the harness under many names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from harness.images.catalogue import CATALOGUE
from harness.incluster.programs.__main__ import PROGRAMS
from harness.platform import operator_images
from harness.wire.names import PLATFORM_IMAGES


class _Cluster:
    def provide_images(self, images: Mapping[str, str], commands: Mapping[str, Sequence[str]]) -> None:
        self.images, self.commands = images, commands


def test_each_image_of_the_platform_runs_its_own_program() -> None:
    cluster = _Cluster()
    operator_images.provide(cast(Any, cluster), "kaapana-harness/processing:1", "r.site:5000/team", "0.5.0")
    assert set(cluster.images) == {f"r.site:5000/team/{name}:0.5.0" for name in PLATFORM_IMAGES}
    assert set(cluster.images.values()) == {"kaapana-harness/processing:1"}
    assert cluster.commands["r.site:5000/team/get-input:0.5.0"] == (
        *("python", "-m", "harness.incluster.programs"),
        "get-input",
    )
    assert sorted(command[-1] for command in cluster.commands.values()) == sorted(PROGRAMS)


def test_the_image_that_they_are_is_one_of_the_catalogue() -> None:
    assert operator_images.IMAGE in CATALOGUE
