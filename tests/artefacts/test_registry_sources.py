"""Registries as places with images, answered in memory: names, what a login may not list, and words that name none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from harness import engine
from harness.artefacts import package
from harness.artefacts.bundle import Artefacts
from harness.artefacts.sources import ImageSource, RegistrySource, Route, open_sources
from harness.cluster import Cluster
from harness.errors import PlatformError, UsageError
from harness.platform.missing_images import MissingImage, make_error
from harness.platform.platform_names import PlatformNames
from harness.platform.registry import PlatformRegistry
from harness.profiles import load
from tests.artefacts.made_packages import write

PLATFORM = "registry.example.org/group"
MANIFEST = f"sha256:{'a' * 64}"
CONFIG = f"sha256:{'c' * 64}"


class Remote:
    """A registry in memory with ``team/tool:1`` and ``team/tool:latest``, which may refuse to list."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.listing = 200
        self.catalog = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        if path.endswith("/_catalog"):
            return httpx.Response(self.catalog, json={"repositories": ["team/tool"]})
        if path.endswith("/tags/list"):
            return httpx.Response(self.listing, json={"tags": ["1", "latest"]})
        if "/blobs/" in path:
            return httpx.Response(200, json={"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": ["l"]}})
        if path.rpartition("/")[2] in ("1", "latest", MANIFEST):
            headers = {"docker-content-digest": MANIFEST}
            return httpx.Response(200, json={"config": {"digest": CONFIG}}, headers=headers)
        return httpx.Response(404)


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Remote:
    made, found = httpx.Client, Remote()
    monkeypatch.setattr(httpx, "Client", lambda **options: made(**{**options, "transport": httpx.MockTransport(found)}))
    monkeypatch.setattr(engine, "read_architecture", lambda: "amd64")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return found


def opened(word: str, folder: Path) -> ImageSource:
    return open_sources([word], folder)[0]


def of_platform(remote: Remote) -> PlatformRegistry:
    cluster = SimpleNamespace(
        registry="registry.site/team", push_address="registry.site/team", serve_registry=lambda *arguments, **more: None
    )
    return PlatformRegistry(cast(Cluster, cluster), pull=None, push=None)


@pytest.mark.parametrize(
    ("version", "asked"), [("", "latest"), (":1", "1"), (f"@{MANIFEST}", MANIFEST), (f":1@{MANIFEST}", MANIFEST)]
)
def test_a_reference_without_a_tag_or_by_digest_is_found_as_nodes_would(
    remote: Remote, tmp_path: Path, version: str, asked: str
) -> None:
    found = opened("registry.site/team", tmp_path).find(f"{PLATFORM}/tool{version}", PLATFORM)
    assert found is not None
    assert remote.asked[0] == f"/v2/team/tool/manifests/{asked}"
    assert found.config_digest == CONFIG
    assert found.origin == f"registry.site/team/tool@{MANIFEST}"
    assert found.route is Route.PUSH


@pytest.mark.parametrize("version", ["", ":latest", f"@{MANIFEST}"])
def test_an_image_that_is_where_its_reference_says_is_pulled_from_there(
    remote: Remote, tmp_path: Path, version: str
) -> None:
    found = opened("registry.site/team", tmp_path).find(f"registry.site/team/tool{version}", PLATFORM)
    assert found is not None
    assert found.route is Route.PULL


def test_the_platforms_registry_knows_tags_digests_and_neither(remote: Remote) -> None:
    registry = of_platform(remote)
    for reference in ("registry.site/team/tool", "registry.site/team/tool:1", f"registry.site/team/tool@{MANIFEST}"):
        found = registry.find(reference, "registry.site/team")
        assert found is not None
        assert found.route is Route.PRESENT
    assert [path.rpartition("/")[2] for path in remote.asked if "manifests" in path] == ["latest", "1", MANIFEST]
    assert registry.similar("registry.site/team/tool", "registry.site/team") == [
        "registry.site/team/tool:1",
        "registry.site/team/tool:latest",
    ]


@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_lists_no_tags_to_this_login_does_not_fail_the_run(
    remote: Remote, tmp_path: Path, status: int
) -> None:
    remote.listing = remote.catalog = status
    assert opened("registry.site/team", tmp_path).similar(f"{PLATFORM}/tool:2", PLATFORM) == []
    assert of_platform(remote).similar("registry.site/team/tool:2", "registry.site/team") == []


def test_missing_images_are_named_where_the_registry_does_not_list_its_tags(remote: Remote, tmp_path: Path) -> None:
    remote.listing = remote.catalog = 403
    chart = package.read(write(tmp_path))
    names = PlatformNames(PLATFORM, "0.6.0", load("documented"), {})
    sources = [opened("registry.site/team", tmp_path), of_platform(remote)]
    absent = MissingImage(f"{PLATFORM}/tool:2", "Job x of the chart")
    assert f"needs {PLATFORM}/tool:2, which registry.site/team and the platform's registry" in (
        make_error(chart, [absent], sources, names).cause
    )


@pytest.mark.parametrize("digest", [f"{PLATFORM}/tool@{MANIFEST}"])
def test_no_other_name_is_advised_for_an_image_that_is_named_by_its_digest(
    remote: Remote, tmp_path: Path, digest: str
) -> None:
    chart = package.read(write(tmp_path))
    names = PlatformNames(PLATFORM, "0.6.0", load("documented"), {})
    found = make_error(chart, [MissingImage(digest, "Job x")], [opened("registry.site/team", tmp_path)], names)
    assert "there is registry.site/team/tool:1" in found.last_seen
    assert "tag it" not in found.fix
    assert "--images" in found.fix


def test_a_slash_at_the_end_of_a_registry_changes_nothing(remote: Remote, tmp_path: Path) -> None:
    source = opened("registry.site/team/", tmp_path)
    assert isinstance(source, RegistrySource)
    assert source.title == "registry.site/team"


@pytest.mark.parametrize(
    "read",
    [
        lambda folder: opened("~nosuchuser/i.tar", folder),
        lambda folder: package.read("~nosuchuser/x-1.0.0.tgz"),
        lambda folder: Artefacts.open(["~nosuchuser/x-1.0.0.tgz"], [], folder),
    ],
)
def test_the_home_folder_of_an_unknown_user_is_reported_as_a_missing_path(
    remote: Remote, tmp_path: Path, read: Callable[[Path], object]
) -> None:
    with pytest.raises(UsageError, match="~nosuchuser"):
        read(tmp_path)


def test_a_registry_of_the_user_that_is_not_one_is_named_with_its_request(
    remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Remote, "__call__", lambda self, request: httpx.Response(200, text="<html>"))
    with pytest.raises(PlatformError, match=r"registry\.site/team answers GET /v2/team/tool/manifests/1"):
        opened("registry.site/team", tmp_path).find(f"{PLATFORM}/tool:1", PLATFORM)


def test_a_registry_is_not_asked_for_what_lies_elsewhere(remote: Remote, tmp_path: Path) -> None:
    assert opened("registry.site/team", tmp_path).find("elsewhere.site/tool:1", PLATFORM) is None
    assert remote.asked == []
