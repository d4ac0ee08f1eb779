"""A shared cluster, and environments on it. Run by ``tox -e kind``."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator

import pytest

from harness.cluster import ledger
from harness.cluster.context import leftovers
from harness.cluster.context.cluster import ContextCluster
from harness.errors import NotRemovedError
from harness.settings import Settings
from tests.cluster.conftest import CLUSTERS
from tests.cluster.context import foreign as foreign_cluster
from tests.cluster.context.foreign import CONTEXT, Foreign
from tests.cluster.objects import IMAGE

Opened = Callable[[], ContextCluster]


@pytest.fixture(scope="session")
def foreign(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    """The cluster; KUBECONFIG names the user's file, and nothing else does."""
    if "kind" not in CLUSTERS:
        pytest.skip("needs a kind cluster: tox -e kind")
    patch = pytest.MonkeyPatch()
    with foreign_cluster.made(settings, tmp_path_factory.mktemp("foreign")) as made:
        patch.setenv("KUBECONFIG", str(made.kubeconfig))
        patch.setenv("KAAPANA_HARNESS_CONTEXT_REGISTRY", made.registry)
        yield made
        patch.undo()


@pytest.fixture
def opened(foreign: Foreign, services_image: str) -> Iterator[Opened]:
    """Makes environments with one image, under the reference :data:`IMAGE`; those that are left at the end go."""
    clusters: list[ContextCluster] = []

    def one() -> ContextCluster:
        made = ContextCluster.create(foreign.settings, f"t{secrets.token_hex(3)}", f"context:{CONTEXT}")
        clusters.append(made)
        made.provide_images({IMAGE: services_image})
        return made

    yield one
    for cluster in clusters:
        cluster.close()


@pytest.fixture
def environment_id(foreign: Foreign) -> Iterator[str]:
    """The id of an environment of which nothing is left after the test, whatever it does."""
    name = f"t{secrets.token_hex(3)}"
    yield name
    with contextlib.suppress(NotRemovedError):
        leftovers.remove(foreign.admin, name)
    ledger.forget(foreign.settings.state, name)
