"""The networks that the host side makes on the engine, and what helps when no more of them can be made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.engine.leftovers import make_labels
from harness.errors import EngineError
from harness.wire import subnets

if TYPE_CHECKING:
    import docker
    from docker import APIClient

    from harness.cluster.ledger import Entry

USE_HOST_NETWORK = "use the harness in the network of the engine's machine (`docker run --network host`)"
_POOLS = (
    "an environment has up to five networks, and the engine has no range of addresses left for one: end environments "
    "(`kaapana-harness status`), remove unused networks (`docker network prune`), or add "
    "`default-address-pools` to the engine's daemon.json"
)


def name_edge(environment_id: str) -> str:
    """Return the name of the network over which an environment's control plane is reached."""
    return f"kh-{environment_id}-edge"


def find_published_port(api: APIClient, container: str, port: int) -> int:
    """Return the port of this machine at which the engine publishes a port of a container.

    Raises:
        docker.errors.APIError: the engine does not know the container.
        EngineError: it publishes none.
    """
    published = api.port(container, port)
    if not published:
        raise EngineError(
            "the engine publishes no port of a container at 127.0.0.1",
            last_seen=f"container {container} listens at its port {port}",
            fix="use an engine that publishes ports (Docker on Linux), and read its log",
        )
    return int(published[0]["HostPort"])


def create(
    client: docker.DockerClient,
    name: str,
    labels: Mapping[str, str],
    *,
    internal: bool = False,
    options: Mapping[str, str] | None = None,
) -> None:
    """Create a bridge network; where the engine's ranges of addresses are used up, in one of ours.

    Raises:
        docker.errors.APIError: the engine refuses it.
    """
    import docker.errors
    from docker.types import IPAMConfig, IPAMPool

    from harness.engine.connection import read_message

    def make(ipam: IPAMConfig | None = None) -> None:
        client.api.create_network(
            name,
            driver="bridge",
            labels=dict(labels),
            internal=internal,
            options=dict(options or {}),
            ipam=ipam,
            check_duplicate=True,
        )

    try:
        make()
    except docker.errors.APIError as refusal:
        if not subnets.are_used_up(read_message(refusal)):
            raise
        for subnet in subnets.find_free(_list_ranges(client)):
            try:
                make(IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]))
            except docker.errors.APIError as conflict:
                if not subnets.is_taken(read_message(conflict)):
                    raise
            else:
                return
        raise


def create_edge(client: docker.DockerClient, entry: Entry) -> None:
    """Create the network of :func:`name_edge`: not the engine's default network, which others share.

    (That one may be switched off, and a bridge that was made again by hand changes its hardware address whenever a
    container starts or ends, which cuts connections off for half a minute.)
    """
    create(client, name_edge(entry.id), make_labels(entry))


def advise(words: str) -> str:
    """Return the next step after an engine's refusal."""
    return _POOLS if subnets.are_used_up(words) else "`kaapana-harness doctor` examines the engine"


def _list_ranges(client: docker.DockerClient) -> list[str]:
    entries = [(network.get("IPAM") or {}).get("Config") or () for network in client.api.networks()]
    return [str(entry["Subnet"]) for found in entries for entry in found if entry.get("Subnet")]
