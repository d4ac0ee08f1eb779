"""What kind clusters of the harness have on the engine, and its removal without asking kind."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.cluster.kind import names
from harness.engine import leftovers as engine_leftovers
from harness.wire.labels import LABEL_ENVIRONMENT, LABEL_OWNER

if TYPE_CHECKING:
    from pathlib import Path

    import docker


@dataclasses.dataclass
class Found:
    """One cluster on the engine.

    Attributes:
        environment: its id.
        owner: ``<pid>@<host>`` of the process that made it; empty if its network is gone.
        ledger: folder of the ledger that has it.
        nodes: ids of its containers.
    """

    environment: str
    owner: str = ""
    ledger: str = ""
    nodes: list[str] = dataclasses.field(default_factory=list)


def find(client: docker.DockerClient) -> dict[str, Found]:
    """Return all kind clusters that were made by the harness, by the id of their environment."""
    found: dict[str, Found] = {}
    for container in _nodes(client, names.LABEL_CLUSTER):
        name = container["Labels"][names.LABEL_CLUSTER]
        if name.startswith(names.PREFIX):
            environment = name.removeprefix(names.PREFIX)
            found.setdefault(environment, Found(environment)).nodes.append(container["Id"])
    for network in client.api.networks(filters={"label": names.LABEL_LEDGER}):
        labels = network["Labels"]
        entry = found.setdefault(labels[LABEL_ENVIRONMENT], Found(labels[LABEL_ENVIRONMENT]))
        entry.owner, entry.ledger = labels.get(LABEL_OWNER, ""), labels[names.LABEL_LEDGER]
    return found


def remove(client: docker.DockerClient, state: Path, environment_id: str) -> None:
    """Remove everything of a cluster on the engine, and its files, as far as they still exist.

    Raises:
        NotRemovedError: the engine fails to remove a network; everything else is removed.
    """
    import docker.errors

    name = names.cluster_name(environment_id)
    for container in _nodes(client, f"{names.LABEL_CLUSTER}={name}"):
        engine_leftovers.remove_container(client.api, container["Id"])
    try:
        engine_leftovers.remove(client, environment_id)
        # kind makes the network itself, without our labels, when it misses it
        engine_leftovers.remove_network(client, name)
    finally:
        for volume in client.api.volumes(filters={"label": f"{LABEL_ENVIRONMENT}={environment_id}"})["Volumes"] or ():
            with contextlib.suppress(docker.errors.NotFound):
                client.api.remove_volume(volume["Name"])
        shutil.rmtree(names.folder(state, environment_id), ignore_errors=True)


def _nodes(client: docker.DockerClient, label: str) -> Iterator[dict[str, Any]]:
    yield from client.api.containers(all=True, filters={"label": label})
