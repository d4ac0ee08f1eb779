"""Fixtures of the image tests. Tests that need a container engine ask for ``engine`` and are skipped without one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker import APIClient

from harness.doctor.builder import find_builder
from harness.doctor.facts import EngineFacts
from harness.engine import connect_api, find_image, remove_image
from harness.images import RegistryClient, ensure
from harness.settings import Settings

RunImage = Callable[[str, list[str]], str]


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings.load(environ={})


@pytest.fixture
def isolated_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose locks and downloads are in the test's own folder."""
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    return Settings(cache_dir=tmp_path / "cache")


@pytest.fixture(scope="session")
def engine(usable_engine: EngineFacts) -> Iterator[APIClient]:
    with connect_api(timeout_s=300) as api:
        yield api


@pytest.fixture(params=["legacy", "buildkit"])
def builder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Build with each of the two builders; BuildKit where ``docker buildx`` is installed."""
    if request.param == "legacy":
        monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    else:
        monkeypatch.delenv("DOCKER_BUILDKIT", raising=False)
        found = find_builder(os.environ)
        if not found.buildkit:
            pytest.skip(f"BuildKit: {found.reason}")
    return str(request.param)


@pytest.fixture(scope="session")
def run_image(engine: APIClient) -> RunImage:
    """Runs a command in an image, without an entry point and without a network, and returns what it prints."""

    def run(image: str, command: list[str]) -> str:
        host = engine.create_host_config(network_mode="none")
        container = engine.create_container(image, command, entrypoint=[], host_config=host)["Id"]
        try:
            engine.start(container)
            status = engine.wait(container)["StatusCode"]
            output = engine.logs(container).decode()
            assert status == 0, output
            return str(output)
        finally:
            engine.remove_container(container, force=True)

    return run


@pytest.fixture(scope="session")
def base_installer(engine: APIClient, settings: Settings) -> str:
    """The smallest image that an author's container can stand on."""
    return ensure("base-installer", settings=settings)


@pytest.fixture(scope="session")
def registry(engine: APIClient, settings: Settings) -> Iterator[RegistryClient]:
    """An empty registry of the harness's own image, removed afterwards."""
    image = ensure("registry", settings=settings)
    host = engine.create_host_config(port_bindings={5000: ("127.0.0.1", None)}, auto_remove=True)
    name = f"kh-test-registry-{secrets.token_hex(4)}"
    container = engine.create_container(image, name=name, host_config=host, ports=[5000])["Id"]
    try:
        engine.start(container)
        port = engine.port(container, 5000)[0]["HostPort"]
        with RegistryClient(f"localhost:{port}") as registry:
            wait_until_ready(registry)
            yield registry
    finally:
        engine.remove_container(container, force=True)


def wait_until_ready(registry: RegistryClient, limit_s: float = 20.0) -> None:
    import time

    deadline = time.monotonic() + limit_s
    while not registry.ready():
        assert time.monotonic() < deadline, f"the registry did not answer within {limit_s} s"
        time.sleep(0.05)


@pytest.fixture
def tag(engine: APIClient) -> Iterator[str]:
    """A name for an image of the test, which is removed with all of its names."""
    name = f"kaapana-harness/test-{secrets.token_hex(4)}:1"
    yield name
    if image := find_image(engine, name):
        for other in image["RepoTags"]:
            remove_image(engine, other)
