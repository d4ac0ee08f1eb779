"""Bases: volumes of the engine with the content of a node's containerd; which are complete, which may be removed.

All of one user are made under one lock, :func:`harness.common.locking.lock_image` of :data:`LOCK`. Who holds it
knows that an incomplete base with the same ledger is a leftover of a killed process.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from harness import engine
from harness.cluster.kind import names
from harness.engine import leftovers

if TYPE_CHECKING:
    from pathlib import Path

    import docker

LOCK = "kind-content"
LABEL_USES = "kaapana-harness.kind-content-of"
"""Label of the content of a node; its value is the name of the base that its layers are in."""
LABEL_NODE_IMAGE = "kaapana-harness.kind-content"
"""Label of the sign that a base is complete; its value is the id of the node image that it belongs to."""
PREFIX = "kaapana-harness-kind-content-"
"""Of the names of bases."""
# volumes have no way to say that they are complete: another one of this name does, made at the end
_COMPLETE = "-complete"


def make_labels(state: Path) -> dict[str, str]:
    """Return the labels of everything of bases: volumes, and the containers that make them."""
    return {engine.LABEL_NAME: LOCK, names.LABEL_LEDGER: str(state)}


def scratch(state: Path) -> str:
    """Return the repository for the names that images need for a moment while a base is made."""
    return f"{PREFIX}{hashlib.sha256(str(state).encode()).hexdigest()[:12]}/node"


def find_complete(client: docker.DockerClient) -> dict[str, str]:
    """Complete bases, the newest first, and the id of the node image that each belongs to."""
    present = {volume["Name"] for volume in _volumes(client, engine.LABEL_NAME, LOCK)}
    signs = _volumes(client, LABEL_NODE_IMAGE)
    signs.sort(key=lambda volume: str(volume.get("CreatedAt", "")), reverse=True)
    found = {sign["Name"].removesuffix(_COMPLETE): str(sign["Labels"][LABEL_NODE_IMAGE]) for sign in signs}
    return {name: image for name, image in found.items() if name in present}


def mark_complete(client: docker.DockerClient, state: Path, base: str, node_image_id: str) -> None:
    """Mark a base as complete."""
    client.api.create_volume(base + _COMPLETE, labels={**make_labels(state), LABEL_NODE_IMAGE: node_image_id})


def clear(client: docker.DockerClient, state: Path) -> list[str]:
    """Remove leftovers of a kill: containers, names of images, incomplete bases. The caller holds the lock.

    Returns:
        The names of the volumes that were removed.
    """
    own = [f"{name}={value}" for name, value in make_labels(state).items()]
    for container in client.api.containers(all=True, filters={"label": own}):
        leftovers.remove_container(client.api, container["Id"])
    leftovers.remove_tags(client, f"{scratch(state)}:", noprune=True)
    finished, used = find_complete(client), _find_used(client)
    own_volumes = _volumes(client, names.LABEL_LEDGER, str(state))
    present = [volume["Name"] for volume in own_volumes if engine.LABEL_NAME in volume["Labels"]]
    doomed = [name for name in present if name.removesuffix(_COMPLETE) not in finished and name not in used]
    return [name for name in doomed if remove(client, name)]


def prune(client: docker.DockerClient, state: Path, *, kept: int) -> list[str]:
    """Remove superseded bases, except those with layers of running nodes. The caller holds the lock.

    Args:
        client: the engine.
        state: the folder of the ledger.
        kept: how many stay, the newest first.

    Returns:
        The names of those that were removed.
    """
    removed = []
    for base, node_image_id in list(find_complete(client).items())[kept:]:
        if base in _find_used(client):
            continue
        # the sign goes first: nodes that are just being made miss it, or their labels are seen here
        remove(client, base + _COMPLETE)
        if base in _find_used(client):
            mark_complete(client, state, base, node_image_id)
        elif remove(client, base):
            removed.append(base)
    return removed


def remove(client: docker.DockerClient, name: str) -> bool:
    """Remove a volume unless a container has mounted it; return whether it is gone."""
    import docker.errors

    try:
        client.api.remove_volume(name)
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise
        return bool(error.status_code == 404)
    return True


def _find_used(client: docker.DockerClient) -> set[str]:
    return {volume["Labels"][LABEL_USES] for volume in _volumes(client, LABEL_USES)}


def _volumes(client: docker.DockerClient, label: str, value: str = "") -> list[dict[str, Any]]:
    wanted = f"{label}={value}" if value else label
    return list(client.api.volumes(filters={"label": wanted})["Volumes"] or ())
