"""Which command a pod's container runs on the docker cluster, where one image has several names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.incluster.controlplane.config import ControlPlaneConfig
from harness.incluster.controlplane.container_bodies import container_body
from harness.incluster.controlplane.images import Images, PullError
from harness.incluster.controlplane.volumes import Mounts

CONFIG = ControlPlaneConfig("e1", "1@host", "2026-01-01T00:00:00Z", "token", "pod-token")
OWN = ["python", "-m", "tool", "$(NAME)"]


def body(container: dict[str, Any], command: list[str]) -> dict[str, Any]:
    container = {"name": "main", "image": "x", **container}
    pod = {"metadata": {"namespace": "project-a", "name": "p"}, "spec": {"containers": [container]}}
    networks: Any = None  # not asked: the container shares another one's network
    return container_body(
        CONFIG, pod, container, image="sha256:1", command=command, variables={"NAME": "value"}, mounts=Mounts(),
        network="other", networks=networks,
    )  # fmt: skip


def test_a_container_runs_the_command_of_its_images_name_as_it_stands() -> None:
    made = body({}, OWN)
    # variables are expanded in what a pod says, and not in what an image says
    assert made["Cmd"] == OWN
    assert "Entrypoint" not in made


def test_without_one_the_image_runs_its_own_command() -> None:
    assert "Cmd" not in body({}, [])


@pytest.mark.parametrize(
    ("said", "runs"),
    [
        ({"command": ["sh"]}, {"Entrypoint": ["sh"]}),
        ({"args": ["$(NAME)"]}, {"Cmd": ["value"]}),
        ({"command": ["sh"], "args": ["-c", "true"]}, {"Entrypoint": ["sh"], "Cmd": ["-c", "true"]}),
    ],
)
def test_the_pods_own_command_wins(said: dict[str, list[str]], runs: dict[str, list[str]]) -> None:
    made = body(said, OWN)
    assert {name: made[name] for name in ("Entrypoint", "Cmd") if name in made} == runs


def test_a_command_belongs_to_one_name_of_an_image_until_the_name_is_given_again() -> None:
    images = Images(None)  # type: ignore[arg-type]
    images.provide(dict.fromkeys(("r.site/one:1", "r.site/two:latest", "r.site/own:1"), "sha256:1"), {
        "r.site/one:1": ["one"], "r.site/two:latest": ["two"],
    })  # fmt: skip
    assert images.command_of("r.site/one:1") == ["one"]
    assert images.command_of("r.site/two") == ["two"]
    assert not images.command_of("r.site/own:1")
    assert not images.command_of("r.site/unknown:1")


@pytest.mark.parametrize(
    "reference", ["Upper", "r.site/a:tag with spaces", "a:ä", "r.site//a", f"{'a/' * 130}a", "a@1"]
)
def test_an_invalid_image_reference_is_refused_as_by_a_kubelet(reference: str) -> None:
    images = Images(None)  # type: ignore[arg-type]
    with pytest.raises(PullError) as refused:
        asyncio.run(images.resolve(reference, "Never"))
    assert refused.value.reason == "InvalidImageName"


@pytest.mark.parametrize(
    "reference", ["tool", "r.site:5000/a/tool:1", "[::1]:5000/tool:1", f"tool:1@sha256:{'a' * 64}"]
)
def test_references_with_a_host_a_tag_and_a_digest_are_looked_up(reference: str) -> None:
    images = Images(None)  # type: ignore[arg-type]
    with pytest.raises(PullError) as refused:
        asyncio.run(images.resolve(reference, "Never"))
    assert refused.value.reason == "ErrImageNeverPull"
    images.provide({"r.site/one:1": "sha256:2"}, {})
    assert not images.command_of("r.site/one:1")
    assert images.node["r.site/one:1"] == "sha256:2"
