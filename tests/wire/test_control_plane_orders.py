"""Orders to the control plane arrive as they were given."""

from __future__ import annotations

import json

import pytest

from harness.wire.control_plane_orders import NodeImages, Registries, ServedRegistry


@pytest.mark.parametrize(
    "change",
    [
        NodeImages(provided={"localhost:1/a:1": "sha256:a"}, commands={"localhost:1/a:1": ["python", "a.py"]}),
        NodeImages(imported={"registry.site/b:1": "sha256:b"}),
        NodeImages(withdrawn=["registry.site/b:1"]),
    ],
    ids=["provided", "imported", "withdrawn"],
)
def test_a_change_of_the_nodes_images_arrives_as_it_was_given(change: NodeImages) -> None:
    assert NodeImages.from_json(json.loads(json.dumps(change.as_json()))) == change


def test_registries_arrive_as_they_were_given_and_hide_their_password() -> None:
    served = ServedRegistry("registry.site/team", "site/", "puller", "s3cret")
    registries = Registries("localhost:1", "http://registry:5000", (served, ServedRegistry("other.site")))
    assert Registries.from_json(json.loads(json.dumps(registries.as_json()))) == registries
    assert "s3cret" not in repr(registries)
