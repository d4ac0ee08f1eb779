"""The one client of the container engine: what ``docker`` of this user talks to, through docker-py."""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from harness.doctor import address, require_engine
from harness.errors import EngineError

if TYPE_CHECKING:
    import docker
    import requests
    from docker import APIClient

NO_LOGINS: Final[Mapping[str, str]] = {"credsStore": ""}
"""A configuration without anything: docker-py looks for another one where it gets an empty one."""
_changing_docker_py = threading.RLock()


def connect(*, timeout_s: float = 60.0) -> docker.DockerClient:
    """Return a client of the engine that the user's ``docker`` uses, at the newest API version that both sides know.

    Args:
        timeout_s: seconds without an answer until a request fails.

    Raises:
        EngineError: it does not answer, may not be used, or is one that the harness does not work with.
    """
    import docker

    found = require_engine()
    with reading_configuration() as configuration:
        client = docker.DockerClient(found.address, version=found.spoken, timeout=math.ceil(timeout_s))
        # docker-py sends them with its own requests only
        client.api.headers.update(configuration.get("HttpHeaders") or {})
        return client


def connect_api(timeout_s: float = 60.0) -> APIClient:
    """Return the requests of :func:`connect` without its objects; closing them is closing the client."""
    return connect(timeout_s=timeout_s).api


def create_container(api: APIClient, image: str, command: list[str] | None = None, **options: Any) -> str:
    """Create a container, and return its id.

    It gets no proxies of docker's configuration, as docker-py's own function would give it: what is committed from it
    would keep them, with their passwords.

    Args:
        api: the engine.
        image: a reference or an id.
        command: of the container.
        options: those of docker-py's ``create_container``.

    Raises:
        docker.errors.APIError, requests.RequestException: the engine refuses, or does not answer.
    """
    return str(api.create_container(image, command, use_config_proxy=False, **options)["Id"])


@contextlib.contextmanager
def reading_configuration() -> Iterator[Mapping[str, Any]]:
    """Give docker's configuration to the clients of docker-py that are made in the block, and yield it.

    Without this, docker-py would go on to other files where ``DOCKER_CONFIG`` has none, and would refuse empty values.
    It checks little, so its errors in the block are those of the configuration.

    Raises:
        EngineError: the configuration is not what docker writes.
    """
    import docker
    from docker.utils import config

    try:
        document = address.read_configuration(os.environ)
    except address.UnreadableError:
        # `docker` goes on without it, too; where a login is wanted, it is named
        document = {}
    try:
        with _changing_docker_py:
            own = config.load_general_config
            config.load_general_config = lambda config_path=None: {**document} or dict(NO_LOGINS)
            try:
                yield document
            finally:
                config.load_general_config = own
    except (docker.errors.InvalidConfigFile, ValueError, TypeError, AttributeError, LookupError) as error:
        raise EngineError(
            f"docker's configuration {address.configuration_folder(os.environ) / 'config.json'} cannot be used",
            last_seen=f"{type(error).__name__}: {error}",
            fix="correct or remove what it has under auths and proxies, or `docker logout` and log in again",
        ) from None


def raise_for_status(answer: requests.Response) -> None:
    """Raise if the engine has refused; :func:`read_message` knows its words also when the connection is closed.

    Raises:
        requests.RequestException: it has refused, or the connection breaks.
    """
    if not answer.ok:
        # an answer that was to be streamed has not been read, and keeps what is read now
        _ = answer.content
    answer.raise_for_status()


def read_message(error: Exception) -> str:
    """Return the engine's own message about a failed request, or that of the connection to it.

    The answer's body is read for it, which a client leaves alone where it was to be streamed.
    """
    import requests

    words = getattr(error, "explanation", None)
    answer = getattr(error, "response", None)
    if not words and isinstance(answer, requests.Response):
        try:
            body = answer.text
        except requests.RequestException:
            body = ""
        try:
            words = json.loads(body)["message"]
        except (ValueError, KeyError, TypeError):
            words = body
    return " ".join(str(words or error).split()) or type(error).__name__


def find_error(event: object) -> str:
    """Return the error that one document of a streamed answer carries, in the engine's words; empty without one.

    A request that fails as a whole is answered by one document with its message.
    """
    if not isinstance(event, dict):
        return ""
    detail = event.get("errorDetail")
    nested = detail.get("message") if isinstance(detail, dict) else None
    return str(event.get("error") or nested or event.get("message") or "")


def find_error_in_text(answer: str) -> str:
    """Return the first error in a streamed answer that was read as a whole, see :func:`find_error`."""
    for line in answer.splitlines():
        with contextlib.suppress(ValueError):
            if trouble := find_error(json.loads(line)):
                return trouble
    return ""


def explain_stopped(client: docker.DockerClient, container: str, what: str) -> str:
    """Return why an indispensable container does not run, in one line; empty when it runs.

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
        return f"the container engine does not answer: {read_message(error)}"
    if state["Running"] and not state["Paused"]:
        return ""
    if state["Paused"]:
        return f"{what} is paused: `docker unpause {container}`"
    why = "out of memory" if state["OOMKilled"] else f"exit status {state['ExitCode']}"
    return f"{what} has stopped ({why}): container {container}"


def read_architecture() -> str:
    """Return the architecture of the images that the engine runs, as images name it: ``amd64``.

    Raises:
        EngineError: no engine answers.
    """
    engine = connect_api()
    try:
        return str(engine.version()["Arch"])
    finally:
        engine.close()
