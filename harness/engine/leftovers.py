"""Find what environments have on the engine by their labels, and remove it without their control planes."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from harness import engine
from harness.cluster import ledger
from harness.errors import HarnessError, NotRemovedError
from harness.settings import folders
from harness.wire.labels import LABEL_ENVIRONMENT, LABEL_OWNER, LABEL_ROLE, LABEL_STARTED
from harness.wire.polling import Polling

if TYPE_CHECKING:
    import docker
    from docker import APIClient

    from harness.cluster.ledger import Entry

CONTROL_PLANE = "control-plane"
_GOING_S = 30
_ENDPOINTS_S = 5.0
_RESTART = "the engine's records are wrong: restart it"
_AGAIN_S = 0.2


def name_container(environment: str) -> str:
    """Return the name of an environment's first container."""
    return f"kh-{environment}"


def make_labels(entry: Entry) -> dict[str, str]:
    """Return the labels of everything that belongs to an environment."""
    return {LABEL_ENVIRONMENT: entry.id, LABEL_OWNER: entry.owner, LABEL_STARTED: entry.started}


@dataclasses.dataclass
class Leftover:
    """What one environment has on the engine.

    Attributes:
        environment: its id.
        owner: ``<pid>@<host>``.
        containers: ids.
        networks: ids.
        control_plane: whether its control plane runs; then it looks after itself.
    """

    environment: str
    owner: str = ""
    containers: list[str] = dataclasses.field(default_factory=list)
    networks: list[str] = dataclasses.field(default_factory=list)
    control_plane: bool = False


def find(client: docker.DockerClient, environment: str | None = None) -> dict[str, Leftover]:
    """Return all environments that have something on the engine, or just one."""
    label = LABEL_ENVIRONMENT if environment is None else f"{LABEL_ENVIRONMENT}={environment}"
    found: dict[str, Leftover] = {}

    def entry(labels: dict[str, str]) -> Leftover:
        name = labels[LABEL_ENVIRONMENT]
        leftover = found.setdefault(name, Leftover(name))
        leftover.owner = labels.get(LABEL_OWNER, leftover.owner)
        return leftover

    for container in client.api.containers(all=True, filters={"label": label}):
        leftover = entry(container["Labels"])
        leftover.containers.append(container["Id"])
        if container["Labels"].get(LABEL_ROLE) == CONTROL_PLANE and container["State"] == "running":
            leftover.control_plane = True
    for network in client.api.networks(filters={"label": label}):
        entry(network["Labels"]).networks.append(network["Id"])
    return found


def remove(client: docker.DockerClient, environment: str) -> bool:
    """Remove what an environment has on the engine; whether there was anything.

    The control plane is removed first, so that it starts nothing during the removal; volumes go with their containers.

    Raises:
        NotRemovedError: the engine fails to remove something; everything else is removed.
    """
    refused: NotRemovedError | None = None
    found = False
    polling = Polling(timeout_s=_GOING_S, pause_s=0.01, longest_s=0.5)
    # what the engine was still making when the control plane was ended shows up in a later look
    while not refused and (leftover := find(client, environment).get(environment)):
        if found and not polling.again():
            refused = NotRemovedError(f"the engine does not remove all of environment {environment}", fix=_RESTART)
        found = True
        remove_container(client.api, name_container(environment))
        for container in leftover.containers:
            remove_container(client.api, container)
        for network in leftover.networks:
            try:
                remove_network(client, network)
            except NotRemovedError as error:
                # others, if there are others, have the same cause
                refused = refused or error
    remove_tags(client, f"kh-{environment}/")
    if refused:
        raise refused
    return found


@contextlib.contextmanager
def recording(purpose: str, remove: Callable[[str], object]) -> Iterator[Entry]:
    """Yield an entry of the ledger for what a block makes on the engine only for itself, and remove that afterwards.

    The next start removes what a killed process left: it is found by the labels of :func:`make_labels`.

    Args:
        purpose: beginning of the id.
        remove: gets the id. If the block fails, that error is the cause: it is raised also where the engine is gone
            and removes nothing, and the entry stays for the next start.

    Raises:
        EngineError, UsageError: the ledger cannot be used.
    """
    import requests

    state = folders.state()
    entry = ledger.new_entry(f"{purpose}-{secrets.token_hex(4)}", cluster="")
    ledger.record(state, entry)
    try:
        yield entry
    except BaseException:
        with contextlib.suppress(requests.RequestException, HarnessError):
            remove(entry.id)
            ledger.forget(state, entry.id)
        raise
    remove(entry.id)
    ledger.forget(state, entry.id)


def recording_container(purpose: str, api: APIClient) -> contextlib.AbstractContextManager[Entry]:
    """Do the same as :func:`recording` for one container, which has the name of :func:`name_container`."""
    return recording(purpose, lambda environment: remove_container(api, name_container(environment)))


def remove_tags(client: docker.DockerClient, prefix: str, *, noprune: bool = False) -> None:
    """Remove the names of images that begin like this, in any registry; ``noprune``: layers without a name stay."""
    for image in client.api.images():
        for tag in image.get("RepoTags") or ():
            if tag.startswith(prefix) or f"/{prefix}" in tag:
                engine.remove_image(client.api, tag, noprune=noprune)


def remove_network(client: docker.DockerClient, network: str) -> None:
    """Remove a network, if it still exists. Containers that another process is removing keep it until they are gone.

    An engine that was killed may count a container that does not exist any more for ever; its next start fixes that.

    Raises:
        NotRemovedError: the engine refuses, for longer than a container takes to go, or after the last one has gone.
    """
    import docker.errors

    going, gone = Polling(timeout_s=_GOING_S, pause_s=_AGAIN_S), None
    while True:
        try:
            client.api.remove_network(network)
            return
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            # "has active endpoints"
            if error.status_code != 403:
                raise
            names = _list_attached(client, network)
            gone = None if names else gone or Polling(timeout_s=_ENDPOINTS_S, pause_s=_AGAIN_S)
            if not (gone or going).again():
                raise NotRemovedError(
                    f"the engine does not remove network {network[:12]}",
                    last_seen=engine.read_message(error),
                    fix=f"end what is on it: {', '.join(names)}" if names else f"no container is on it: {_RESTART}",
                ) from None


def _list_attached(client: docker.DockerClient, network: str) -> list[str]:
    """Return the names of the containers that the engine still has on a network."""
    import docker.errors

    try:
        record = client.api.inspect_network(network)
    except docker.errors.NotFound:
        return []
    return sorted(str(entry["Name"]) for entry in (record.get("Containers") or {}).values())


def remove_container(api: APIClient, container: str) -> None:
    """Remove a container with its volumes, if it still exists, or wait until another process has removed it."""
    import docker.errors

    try:
        api.remove_container(container, force=True, v=True)
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise
        # it removes itself, or another process does: its networks can only go after it
        wait_until_removed(api, container, _GOING_S)


def wait_until_removed(api: APIClient, container: str, timeout_s: int) -> None:
    """Wait until a container is gone that something else removes; whoever needs it gone looks again."""
    import docker.errors
    import requests.exceptions

    # docker's client raises either of the last two after the time
    over = (docker.errors.NotFound, requests.exceptions.ConnectionError, requests.exceptions.Timeout)
    with contextlib.suppress(*over):
        api.wait(container, timeout=timeout_s, condition="removed")
