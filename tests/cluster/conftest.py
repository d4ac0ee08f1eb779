"""One suite for every cluster: the fixture ``cluster`` is parametrised over the implementations."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator

import pytest

from harness.cluster import Cluster, open_cluster
from harness.errors import EngineError
from harness.settings import Settings
from tests.cluster.objects import IMAGE, Objects

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose ledger belongs to this session of tests."""
    patch = pytest.MonkeyPatch()
    patch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path_factory.mktemp("state")))
    yield Settings(start_timeout=30)
    patch.undo()


@pytest.fixture(scope="session")
def services_image(settings: Settings) -> str:
    """An image with a shell, Python and nothing that has to be pulled."""
    from harness import images
    from harness.cluster.docker.engine import connect

    try:
        connect().close()
    except EngineError as error:
        pytest.skip(f"no engine: {error.cause}")
    return images.ensure("services", settings=settings)


@pytest.fixture(scope="session", params=["docker"])
def cluster(request: pytest.FixtureRequest, settings: Settings, services_image: str) -> Iterator[Cluster]:
    """A cluster with one image on its node, under the reference :data:`IMAGE`."""
    made = open_cluster(request.param, settings, environment_id=f"t{secrets.token_hex(3)}")
    try:
        made.provide_images({IMAGE: services_image})
        yield made
    finally:
        made.close()


@pytest.fixture
def project(cluster: Cluster) -> Iterator[Objects]:
    """A fresh ``project-*`` namespace."""
    yield from _namespace(cluster, f"project-{next(_NUMBERS)}")


@pytest.fixture
def platform(cluster: Cluster) -> Iterator[Objects]:
    """A fresh namespace on the platform's side."""
    yield from _namespace(cluster, f"side-{next(_NUMBERS)}")


def _namespace(cluster: Cluster, name: str) -> Iterator[Objects]:
    cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield Objects(cluster.api, name)
    finally:
        cluster.api.delete("Namespace", None, name)
