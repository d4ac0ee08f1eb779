"""Which images are removed. No test here asks the engine to remove an image that it did not make itself."""

from __future__ import annotations

import datetime
import io
import json
import secrets
import tarfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

import docker
import pytest
from docker import APIClient

from harness.engine import find_image
from harness.images import cleanup, prune
from harness.settings import Settings

DAY_S = 24 * 3600.0


class FakeEngine:
    """As much of the engine as pruning uses. Ages are in days."""

    def __init__(self) -> None:
        self.made: dict[str, tuple[str, float, float]] = {}
        self.used: list[str] = []
        self.refuses: dict[str, int] = {}

    def add(self, tag: str, *, age: float, tagged: float | None = None) -> None:
        self.made[tag] = (f"sha256:{tag}", age, age if tagged is None else tagged)

    def images(self, filters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        nameless = {"dangling": True, "label": "kaapana-harness.image"}
        assert filters in (None, nameless)
        found = [
            (name.startswith("sha256:"), name, image, int(time.time() - age * DAY_S))
            for name, (image, age, _) in self.made.items()
        ]
        return [
            {"Id": name if dangling else image, "Size": 1, "Created": created, "RepoTags": None if dangling else [name]}
            for dangling, name, image, created in found
            if dangling or not filters
        ]

    def containers(self, *, all: bool) -> list[dict[str, str]]:
        assert all, "a container that has ended can be started again"
        return [{"ImageID": image} for image in self.used]

    def inspect_image(self, tag: str) -> dict[str, Any]:
        tagged = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=self.made[tag][2])
        return {"Metadata": {"LastTagTime": tagged.strftime("%Y-%m-%dT%H:%M:%S.123456789Z")}}

    def remove_image(self, tag: str, **_: object) -> None:
        if status := self.refuses.get(tag):
            response = type("Response", (), {"status_code": status})
            raise docker.errors.APIError("no", response=response)
        del self.made[tag]

    def close(self) -> None:
        pass


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """An engine with a current, a superseded and a recent image, and one of another project."""
    engine = FakeEngine()
    engine.add("kaapana-harness/services:current", age=30)
    engine.add("kaapana-harness/services:old", age=30)
    engine.add("kaapana-harness/services:recent", age=6.9)
    engine.add("postgres:16", age=300)
    monkeypatch.setattr(cleanup.engine, "connect_api", lambda **_: engine)
    monkeypatch.setattr(cleanup, "compute_tags", lambda _: {"services": "kaapana-harness/services:current"})
    return engine


def test_images_without_a_name_that_stand_on_ours_go_when_they_are_old(fake: FakeEngine) -> None:
    fake.add("sha256:failed", age=30)
    fake.add("sha256:recent", age=1)
    fake.add("sha256:step", age=0.01)
    fake.add("sha256:used", age=30)
    fake.used.append("sha256:used")
    assert removed() == ["kaapana-harness/services:old", "sha256:failed"]
    assert "sha256:recent" in removed(everything=True)
    assert {"sha256:used", "sha256:step"} <= set(fake.made)


def removed(**options: Any) -> list[str]:
    return [image.tag for image in prune(Settings(), **options)]


def test_only_old_images_that_are_superseded_go(fake: FakeEngine) -> None:
    assert removed() == ["kaapana-harness/services:old"]
    assert set(fake.made) == {"kaapana-harness/services:current", "kaapana-harness/services:recent", "postgres:16"}


def test_all_superseded_images_are_removed_on_request(fake: FakeEngine) -> None:
    assert removed(everything=True) == ["kaapana-harness/services:old", "kaapana-harness/services:recent"]
    assert set(fake.made) == {"kaapana-harness/services:current", "postgres:16"}


def test_images_of_extensions_go_by_the_same_rule(fake: FakeEngine) -> None:
    fake.add("kaapana-harness/extension:old", age=8)
    fake.add("kaapana-harness/built/tool:latest", age=1)
    assert removed() == ["kaapana-harness/extension:old", "kaapana-harness/services:old"]


def test_an_old_image_that_got_its_name_lately_is_recent(fake: FakeEngine) -> None:
    fake.add("kaapana-harness/debian:pulled", age=200, tagged=2)
    assert removed() == ["kaapana-harness/services:old"]


@pytest.mark.parametrize("everything", [False, True])
def test_images_in_use_and_images_to_keep_stay(fake: FakeEngine, everything: bool) -> None:
    fake.add("kaapana-harness/registry-seeded:1", age=30)
    fake.add("kaapana-harness/platform-dcmqi:1", age=30)
    fake.used = ["sha256:kaapana-harness/services:old"]
    gone = removed(
        keep=["kaapana-harness/registry-seeded:1"],
        in_use=["sha256:kaapana-harness/platform-dcmqi:1"],
        everything=everything,
    )
    assert gone == (["kaapana-harness/services:recent"] if everything else [])


@pytest.mark.parametrize("status", [404, 409])
def test_an_image_that_was_removed_or_came_into_use_in_the_meantime_is_skipped(fake: FakeEngine, status: int) -> None:
    fake.add("kaapana-harness/a:1", age=30)
    fake.refuses["kaapana-harness/a:1"] = status
    assert removed() == ["kaapana-harness/services:old"]


def test_any_other_refusal_of_the_engine_is_raised(fake: FakeEngine) -> None:
    fake.refuses["kaapana-harness/services:old"] = 500
    with pytest.raises(docker.errors.APIError):
        removed()


@pytest.fixture
def throwaway(engine: APIClient) -> Iterator[str]:
    """A tag of the engine with an image of one small file."""
    tag = f"kaapana-harness/test-{secrets.token_hex(4)}:1"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        info = tarfile.TarInfo("unique")
        info.size = 16
        archive.addfile(info, io.BytesIO(secrets.token_bytes(16)))
    name, _, version = tag.rpartition(":")
    engine.import_image_from_data(content.getvalue(), repository=name, tag=version)
    yield tag
    if find_image(engine, tag):
        engine.remove_image(tag)


def test_the_engine_itself_keeps_what_is_recent_or_used_and_removes_the_rest(
    engine: APIClient, throwaway: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = cleanup.list_images
    monkeypatch.setattr(
        cleanup, "list_images", lambda given: [image for image in every(given) if image.tag == throwaway]
    )
    monkeypatch.setattr(cleanup, "_list_nameless", lambda _: [])
    assert prune(settings) == []
    container = engine.create_container(throwaway, ["unique"])["Id"]
    try:
        assert prune(settings, everything=True) == []
    finally:
        engine.remove_container(container)
    monkeypatch.setattr(cleanup, "RECENT_S", 0.0)
    assert [image.tag for image in prune(settings)] == [throwaway]
    assert find_image(engine, throwaway) is None


def test_the_engine_lists_our_images_without_a_name(
    engine: APIClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [f"LABEL kaapana-harness.image={secrets.token_hex(4)}"]
    answer = json.loads(engine.import_image_from_data(b"\0" * 1024, changes=labels))
    try:
        assert answer["status"] in [image.tag for image in cleanup._list_nameless(engine)]
        monkeypatch.setattr(cleanup, "list_images", lambda _: [])
        every = cleanup._list_nameless
        monkeypatch.setattr(
            cleanup, "_list_nameless", lambda api: [image for image in every(api) if image.id == answer["status"]]
        )
        assert prune(settings, everything=True) == []
    finally:
        engine.remove_image(answer["status"])
