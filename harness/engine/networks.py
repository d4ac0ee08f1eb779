"""The network over which a container of the harness is reached, and what helps when no more of them can be made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.engine.leftovers import make_labels

if TYPE_CHECKING:
    import docker

    from harness.cluster.ledger import Entry

_POOLS = (
    "an environment has up to five networks, and all that the engine has share its address pools: end environments "
    "(`kaapana-harness status`), remove unused networks (`docker network prune`), or add "
    "`default-address-pools` to the engine's daemon.json"
)


def name_edge(environment_id: str) -> str:
    """Return the name of the network over which an environment's control plane is reached."""
    return f"kh-{environment_id}-edge"


def create_edge(client: docker.DockerClient, entry: Entry) -> None:
    """Create :func:`edge`: not the engine's default network, which others share.

    (That one may be switched off, and a bridge that was made again by hand changes its hardware address whenever a
    container starts or ends, which cuts connections off for half a minute.)
    """
    client.api.create_network(name_edge(entry.id), driver="bridge", labels=make_labels(entry), check_duplicate=True)


def advise(words: str) -> str:
    """Return the next step after an engine's refusal."""
    return _POOLS if "address pool" in words else "`kaapana-harness doctor` examines the engine"
