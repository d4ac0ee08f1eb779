"""A first container of the engine, as soon as there is an image for it: a missing ability shows within seconds.

Without it a port that this process does not reach, or a network that the engine does not make, would come to light when
all images have been made, minutes later.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from pathlib import Path

from harness import engine
from harness.cluster import ledger
from harness.doctor import require_engine
from harness.engine import connect, leftovers, networks
from harness.errors import EngineError
from harness.wire.polling import Polling

LOOPBACK = "127.0.0.1"
_PORT = 8000
_WORD = b"reached"
_ANSWERS_S = 10.0
_PAUSE_S = 0.05
_PROGRAM = f"""
import socket
with socket.create_server(("", {_PORT})) as server:
    while True:
        with server.accept()[0] as peer:
            peer.sendall({_WORD!r})
"""


def try_engine(image: str) -> None:
    """Start a container as the control plane is started, on a network of its own, and reach a port of it.

    Args:
        image: one with Python.

    Raises:
        EngineError: the engine refuses, in its words; or the port is not reached from this process.
        NotRemovedError: the engine keeps something of it.
    """
    import docker.errors
    from docker.types import Mount

    # of no cluster, and in no ledger: its labels let `prune` find what a kill leaves
    entry = ledger.new_entry(f"trial-{secrets.token_hex(4)}", cluster="")
    path = str(Path(require_engine().socket).resolve())
    with contextlib.closing(connect()) as client:
        api, name, labels = client.api, f"kh-{entry.id}", leftovers.make_labels(entry)
        try:
            # like those of pods: the engine's machine has no address on it
            inside = {"com.docker.network.bridge.inhibit_ipv4": "true"}
            networks.create(client, f"{name}-pods", labels, internal=True, options=inside)
            networks.create_edge(client, entry)
            host = api.create_host_config(
                mounts=[Mount("/var/run/docker.sock", path, type="bind")],
                network_mode=networks.name_edge(entry.id),
                port_bindings={_PORT: (LOOPBACK, None)},
                security_opt=["label=disable"],
            )
            command = ["python", "-c", _PROGRAM]
            api.create_container(image, command, name=name, host_config=host, ports=[_PORT], labels=labels, user="0")
            api.start(name)
            api.connect_container_to_network(name, f"{name}-pods")
            _reach(int(api.port(name, _PORT)[0]["HostPort"]))
        except docker.errors.APIError as error:
            words = engine.read_message(error)
            raise EngineError(
                f"the engine does not run containers as the platform needs them: {words}",
                fix=networks.advise(words),
            ) from None
        finally:
            leftovers.remove(client, entry.id)


def _reach(port: int) -> None:
    polling = Polling(timeout_s=_ANSWERS_S, pause_s=_PAUSE_S)
    while True:
        try:
            with socket.create_connection((LOOPBACK, port), timeout=_ANSWERS_S) as connection:
                seen = "another program answers" if (answer := connection.recv(len(_WORD))) else "it closes connections"
                if answer == _WORD:
                    return
        except OSError as error:
            seen = str(error)
        if not polling.again():
            raise EngineError(
                f"port {port} of {LOOPBACK}, which the engine publishes, is not reached from this process",
                last_seen=seen,
                fix="use the harness in the network of the engine's machine (a container: docker run --network host)",
            )
