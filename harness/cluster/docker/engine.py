"""The client of the Docker engine that the clusters use, and what has become of their containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.doctor import require_engine
from harness.images import engine

if TYPE_CHECKING:
    import docker


def connect(*, timeout_s: int = 60) -> docker.DockerClient:
    """Return a client of the engine that the user's ``docker`` uses.

    Raises:
        EngineError: it does not answer, may not be used, or is one that the harness does not work with.
    """
    import docker

    found = require_engine()
    with engine.reading_configuration():
        return docker.DockerClient(found.address, version=found.spoken, timeout=timeout_s)


def stopped(client: docker.DockerClient, container: str, what: str) -> str:
    """Return why a container that the cluster cannot do without does not run, in one line; empty when it runs.

    Args:
        client: the engine.
        container: its name.
        what: it is for the author.
    """
    import docker.errors
    import requests

    try:
        state = client.api.inspect_container(container)["State"]
    except docker.errors.NotFound:
        return f"{what} is gone: there is no container {container} any more"
    except (docker.errors.APIError, requests.RequestException) as error:
        return f"the container engine does not answer: {engine.words(error)}"
    if state["Running"] and not state["Paused"]:
        return ""
    if state["Paused"]:
        return f"{what} is paused: `docker unpause {container}`"
    why = "out of memory" if state["OOMKilled"] else f"exit status {state['ExitCode']}"
    return f"{what} has stopped ({why}): container {container}"
