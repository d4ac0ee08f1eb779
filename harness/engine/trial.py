"""First containers of the engine, as soon as there is an image for them: a missing ability shows within seconds.

Without them a port that this process does not reach, or a network that the engine does not make, would come to light
when all images have been made, minutes later.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from harness import engine
from harness.cluster import ledger
from harness.engine import connect, leftovers, networks, own_socket, trial_program
from harness.engine.logins import FoundLogin
from harness.errors import EngineError
from harness.wire.container_logs import READABLE_LOG
from harness.wire.polling import Polling

if TYPE_CHECKING:
    import docker
    from docker import APIClient

LOOPBACK = "127.0.0.1"
_STARTS_S = 60
_ANSWERS_S = 2.5
_PAUSE_S = 0.05
_SEEN = "/seen"
_PROGRAM = Path(trial_program.__file__)


def try_engine(image: str) -> None:
    """Start containers as a platform has them, reach a port of one, and push an image to it.

    Args:
        image: one with Python.

    Raises:
        EngineError: the engine refuses, in its words; the port is not reached from this process or from the engine;
            or a container does not see what it mounts.
        NotRemovedError: the engine keeps something of it.
    """
    with (
        contextlib.closing(connect()) as client,
        leftovers.recording("trial", functools.partial(leftovers.remove, client)) as entry,
    ):
        _try_with(client, image, entry)


def _try_with(client: docker.DockerClient, image: str, entry: ledger.Entry) -> None:
    import docker.errors
    import requests

    try:
        # like those of pods: the engine's machine has no address on it
        inside = {"com.docker.network.bridge.inhibit_ipv4": "true"}
        labels = leftovers.make_labels(entry)
        networks.create(client, f"kh-{entry.id}-pods", labels, internal=True, options=inside)
        networks.create_edge(client, entry)
        port = own_socket.try_candidates(
            functools.partial(_start_and_reach, client.api, image, entry),
            functools.partial(leftovers.remove_container, client.api, leftovers.name_container(entry.id)),
        )
        _check_mount(client.api, image, entry)
        _check_push(client.api, f"localhost:{port}/kh-{entry.id}/trial")
    except (docker.errors.APIError, requests.RequestException) as error:
        words = engine.read_message(error)
        raise EngineError(
            f"the engine does not run containers as the platform needs them: {words}",
            fix=networks.advise(words),
        ) from None


def _start_and_reach(api: APIClient, image: str, entry: ledger.Entry, source: str) -> int:
    name = leftovers.name_container(entry.id)
    _start(api, image, entry, source)
    # a container that has ended publishes nothing: its log is the cause
    _wait_until_listening(api, name)
    port = networks.find_published_port(api, name, trial_program.PORT)
    _check_socket(_reach(port, entry.id), source)
    return port


def _start(api: APIClient, image: str, entry: ledger.Entry, source: str) -> None:
    """Start a container as the control plane is started."""
    from docker.types import LogConfig, Mount

    name = leftovers.name_container(entry.id)
    host = api.create_host_config(
        mounts=[
            Mount(trial_program.SOCKET, source, type="bind"),
            Mount(trial_program.VOLUME, None, type="volume"),
        ],
        network_mode=networks.name_edge(entry.id),
        port_bindings={trial_program.PORT: (LOOPBACK, None)},
        security_opt=["label=disable"],
        log_config=LogConfig(**READABLE_LOG),
    )
    command = ["python", "-c", _PROGRAM.read_text("utf-8"), entry.id]
    ports, labels = [trial_program.PORT], leftovers.make_labels(entry)
    engine.create_container(api, image, command, name=name, host_config=host, ports=ports, labels=labels, user="0")
    api.start(name)
    api.connect_container_to_network(name, f"{name}-pods")


def _wait_until_listening(api: APIClient, name: str) -> None:
    """Wait for a program to start, which takes its time on a busy machine.

    Raises:
        EngineError: it has ended, or takes too long.
    """
    polling = Polling(timeout_s=_STARTS_S, pause_s=_PAUSE_S)
    while trial_program.LISTENING.encode() not in (log := api.logs(name)):
        if not (api.inspect_container(name)["State"]["Running"] and polling.again()):
            raise EngineError("a container does not run a program", last_seen=log.decode("utf-8", "replace").strip())


def _reach(port: int, word: str) -> dict[str, Any]:
    """Return what the container sees, once it answers."""
    polling = Polling(timeout_s=_ANSWERS_S, pause_s=_PAUSE_S)
    # a proxy of the site is not asked for this machine's own ports
    with httpx.Client(trust_env=False, timeout=_ANSWERS_S) as client:
        while True:
            last = "another program answers"
            try:
                seen: dict[str, Any] = json.loads(client.get(f"http://{LOOPBACK}:{port}/").content)
                if seen["word"] == word:
                    return seen
            except httpx.HTTPError as error:
                last = str(error)
            except (ValueError, LookupError, TypeError):
                pass
            if not polling.again():
                raise EngineError(
                    f"port {port} of {LOOPBACK}, which the engine publishes, is not reached from this process",
                    last_seen=last,
                    fix=networks.USE_HOST_NETWORK,
                )


def _check_socket(seen: dict[str, Any], source: str) -> None:
    if seen["engine"]:
        raise EngineError(
            f"a container that mounts the engine's socket does not reach the engine: {seen['engine']}",
            last_seen=f"{source} is mounted as {trial_program.SOCKET}",
            fix="use an engine without userns-remap, whose socket its own machine has there or at /var/run/docker.sock",
        )


def _check_mount(api: APIClient, image: str, entry: ledger.Entry) -> None:
    """Check that a folder of a volume can be mounted by its path, as pods mount theirs."""
    from docker.types import LogConfig

    name = leftovers.name_container(entry.id)
    mounts = api.inspect_container(name)["Mounts"]
    folder = next(mount["Source"] for mount in mounts if mount["Destination"] == trial_program.VOLUME)
    command = ["cat", f"{_SEEN}/word"]
    host = api.create_host_config(
        binds={folder: {"bind": _SEEN, "mode": "ro"}}, network_mode="none", log_config=LogConfig(**READABLE_LOG)
    )
    labels = leftovers.make_labels(entry)
    engine.create_container(api, image, command, name=f"{name}-reader", host_config=host, labels=labels, user="0")
    api.start(f"{name}-reader")
    status = int(api.wait(f"{name}-reader", timeout=_STARTS_S)["StatusCode"])
    if status:
        raise EngineError(
            f"a container does not see the content of a volume that it mounts by its path {folder}",
            last_seen=api.logs(f"{name}-reader").decode("utf-8", "replace").strip(),
            fix="use an engine whose containers mount folders of its own machine (Docker on Linux)",
        )


def _check_push(api: APIClient, repository: str) -> None:
    """Check that the engine pushes to a port that it publishes itself, as to the platform's registry."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("trial"))
    answer = api.import_image_from_data(packed.getvalue(), repository=repository, tag="1")
    if trouble := engine.find_error_in_text(answer):
        raise EngineError(f"the engine does not import an image: {trouble}")
    try:
        for _ in engine.push(api, f"{repository}:1", FoundLogin()):
            pass
    except engine.TransferError as error:
        raise EngineError(
            f"the engine cannot push to a port of its own machine: {error}",
            fix="its proxy settings must leave out localhost and 127.0.0.1 (NO_PROXY)",
        ) from None
