"""One suite for every cluster: the fixture ``cluster`` is parametrised over the implementations."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Iterator

import pytest

from harness.cluster import Cluster, open_cluster
from harness.doctor.facts import EngineFacts
from harness.kube import Manifest
from harness.platform import helm, projects
from harness.platform.manifests import arrange
from harness.settings import Settings
from harness.wire.names import (
    ADMIN_NAMESPACE,
    LABEL_TYPE,
    LABEL_TYPE_PROCESSING,
    SERVICES_NAMESPACE,
    project_namespace,
)
from tests.cluster.objects import IMAGE, Objects

_NUMBERS = itertools.count(1)
# a kind cluster takes a node image and half a minute: `tox -e kind` asks for it
CLUSTERS = os.environ.get("KAAPANA_TEST_CLUSTERS", "docker").split(",")


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose ledger belongs to this session of tests."""
    patch = pytest.MonkeyPatch()
    patch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path_factory.mktemp("state")))
    yield Settings(start_timeout=120)
    patch.undo()


@pytest.fixture(scope="session")
def services_image(usable_engine: EngineFacts, settings: Settings) -> str:
    """An image with a shell, Python and nothing that has to be pulled."""
    from harness import images

    return images.ensure("services", settings=settings)


@pytest.fixture
def environment_id() -> Iterator[str]:
    """Id of an environment on the docker cluster of which nothing is left after the test, whatever it does."""
    from harness.engine import connect, leftovers

    name = f"o{secrets.token_hex(3)}"
    yield name
    client = connect()
    leftovers.remove(client, name)
    client.close()


@pytest.fixture(scope="session", params=CLUSTERS)
def cluster(request: pytest.FixtureRequest, settings: Settings, services_image: str) -> Iterator[Cluster]:
    """A cluster with one image on its node, under the reference :data:`IMAGE`."""
    made = open_cluster(request.param, settings, environment_id=f"t{secrets.token_hex(3)}")
    try:
        made.wait_until_usable()
        made.provide_images({IMAGE: services_image})
        for name in (ADMIN_NAMESPACE, SERVICES_NAMESPACE):
            _create_namespace(made, name)
        yield made
    finally:
        made.close()


@pytest.fixture
def project(cluster: Cluster) -> Iterator[Objects]:
    """A fresh ``project-*`` namespace with the platform's network policies; its pods are processing containers."""
    yield from _project(cluster)


@pytest.fixture
def other(cluster: Cluster) -> Iterator[Objects]:
    """Another project."""
    yield from _project(cluster)


def _project(cluster: Cluster) -> Iterator[Objects]:
    number = f"{next(_NUMBERS)}"
    name = project_namespace(number)
    _create_namespace(cluster, name)
    for policy in _policies(number):
        cluster.api.apply(policy)
    try:
        yield Objects(cluster.api, name, labels={LABEL_TYPE: LABEL_TYPE_PROCESSING})
    finally:
        cluster.api.delete("Namespace", None, name)


@pytest.fixture
def platform(cluster: Cluster) -> Iterator[Objects]:
    """The platform's namespace ``services``; what a test creates there is removed after it."""
    objects = Objects(cluster.api, SERVICES_NAMESPACE)
    try:
        yield objects
    finally:
        objects.remove()


def _create_namespace(cluster: Cluster, name: str) -> None:
    cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    # as the platform's charts do: Kubernetes makes it too, but a moment later
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
    cluster.api.apply(account)


def _policies(project: str) -> list[Manifest]:
    values = {
        "global": {"registry_url": ""},
        "project": project,
        "credentials": dict.fromkeys(("oidc_client_secret", "system_user_password", "project_user_password"), "x"),
    }
    rendered = helm.find().render(projects.CHART, values, release="x", namespace=ADMIN_NAMESPACE)
    return [manifest for manifest in arrange(rendered).objects if manifest["kind"] == "NetworkPolicy"]
