"""Images of a registry that wants a login and of the engine, against a real registry on the loopback address."""

from __future__ import annotations

import base64
import json
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from docker import APIClient

from harness import engine as engines
from harness.artefacts.sources import open_sources
from harness.doctor.facts import EngineFacts
from harness.errors import PlatformError, UsageError
from harness.images import RegistryClient, ensure
from harness.settings import Settings
from tests.artefacts.registries import Registry, running

USER, PASSWORD = "reader", secrets.token_urlsafe(12)


@pytest.fixture(scope="module")
def api(usable_engine: EngineFacts) -> Iterator[APIClient]:
    with engines.connect_api(timeout_s=300) as client:
        yield client


@pytest.fixture(scope="module")
def image(api: APIClient) -> str:
    """A small image of the engine."""
    return ensure("registry", settings=Settings.load(environ={}))


@pytest.fixture
def registry(api: APIClient, image: str) -> Iterator[Registry]:
    """A registry with a login that holds ``team/tool:1``."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    with running(api, image, htpasswd=f"{USER}:{hashed}\n") as started:
        started.push(api, image, "team/tool:1", USER, PASSWORD)
        yield started


def helper(folder: Path, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up the user's docker configuration with a credential helper that knows the login."""
    program = folder / "docker-credential-kept"
    answer = json.dumps({"ServerURL": host, "Username": USER, "Secret": PASSWORD})
    program.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{answer}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "config.json").write_text(json.dumps({"credHelpers": {host: "kept"}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def logged_in(folder: Path, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up the user's docker configuration as ``docker login`` leaves it."""
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))


@pytest.mark.parametrize("set_up", [logged_in, helper])
def test_an_image_is_pulled_by_its_digest_with_the_login_of_the_user(
    registry: Registry, api: APIClient, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_up: object
) -> None:
    set_up(tmp_path, registry.address, monkeypatch)  # type: ignore[operator]
    (source,) = open_sources([f"{registry.address}/team"], tmp_path)
    found = source.find("registry.example.org/group/tool:1", "registry.example.org/group")
    assert found is not None
    assert found.config_digest == api.inspect_image(image)["Id"]
    assert found.layers == engines.read_layers(api.inspect_image(image))
    assert found.origin.startswith(f"{registry.address}/team/tool@sha256:")
    assert api.inspect_image(found.load(lambda line: None))["Id"] == found.config_digest
    tags = {tag for entry in api.images() for tag in entry["RepoTags"] or ()}
    assert not [tag for tag in tags if tag.startswith((registry.address, "registry.example.org/"))]
    assert image in tags


def test_without_a_login_the_registry_and_its_status_are_named(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (source,) = open_sources([f"{registry.address}/team"], tmp_path)
    with pytest.raises(PlatformError) as caught:
        source.find("registry.example.org/tool:1", "registry.example.org")
    assert f"the registry {registry.address}" in caught.value.cause
    assert "401" in caught.value.cause
    assert "docker login" in caught.value.fix


def test_a_registry_is_not_needed_again_after_the_pull(
    api: APIClient, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    with running(api, image, htpasswd=f"{USER}:{hashed}\n") as registry:
        registry.push(api, image, "tool:1", USER, PASSWORD)
        logged_in(tmp_path, registry.address, monkeypatch)
        (source,) = open_sources([registry.address], tmp_path)
        first = source.find(f"{registry.address}/tool:1", registry.address)
        assert first is not None
        first.load(lambda line: None)
    (again,) = open_sources([registry.address], tmp_path)
    second = again.find(f"{registry.address}/tool:1", registry.address)
    assert second is not None
    assert second.config_digest == first.config_digest
    assert "the registry does not answer" in second.origin
    assert second.load(lambda line: None) == first.load(lambda line: None)
    with pytest.raises(PlatformError):
        again.find(f"{registry.address}/other:1", registry.address)


def test_a_tag_that_the_registry_does_not_have_is_not_found_and_its_tags_are_listed(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged_in(tmp_path, registry.address, monkeypatch)
    (source,) = open_sources([f"{registry.address}/team"], tmp_path)
    assert source.find("platform.site/tool:2", "platform.site") is None
    assert source.similar("platform.site/tool:2", "platform.site") == [f"{registry.address}/team/tool:1"]
    assert source.find("elsewhere.site/tool:1", "platform.site") is None


def test_an_image_of_the_engine_is_found_by_its_name_there(api: APIClient, image: str, tmp_path: Path) -> None:
    (source,) = open_sources(["engine"], tmp_path)
    name = f"registry.example.org/t{secrets.token_hex(3)}"
    api.tag(image, name, "0.6.0")
    try:
        found = source.find(f"{name}:0.6.0", "registry.example.org")
        assert found is not None
        assert found.load(lambda line: None) == api.inspect_image(image)["Id"]
        assert source.similar(f"other.site/{name.rpartition('/')[2]}:1", "other.site") == [f"{name}:0.6.0"]
        assert source.find(f"{name}:0.6.1", "registry.example.org") is None
    finally:
        api.remove_image(f"{name}:0.6.0", noprune=True)


@pytest.mark.parametrize("word", ["images", "no such thing", "registry.site/UPPER"])
def test_a_word_that_names_neither_an_archive_nor_a_registry_is_refused(word: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither an archive of images nor a registry"):
        open_sources([word], tmp_path)


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"images\.tar"):
        open_sources([tmp_path / "images.tar"], tmp_path)


def test_the_client_of_a_registry_on_this_machine_uses_the_login_that_it_is_given(registry: Registry) -> None:
    with RegistryClient(registry.address, login=(USER, PASSWORD)) as client:
        assert client.tags("team/tool") == ["1"]
