"""A control plane that is ended: by a signal, also while it starts, and what the engine still makes for it."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
import requests

from harness.cluster import ledger
from harness.cluster.docker import control_plane
from harness.engine import connect, leftovers, networks
from harness.errors import NotRemovedError
from tests.waiting import until

_GONE_S = 30.0


@contextlib.contextmanager
def _slow_engine(path: Path) -> Iterator[tuple[list[str], threading.Event]]:
    """An engine that makes networks only when it is allowed to; what it was asked for."""
    asked: list[str] = []
    allowed = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            what = self.path.split("?")[0].partition("/v1.41")[2]
            if what == "/networks/create":
                asked.append(f"make {json.loads(body)['Name']}")
                allowed.wait(_GONE_S)
            elif self.command == "DELETE":
                asked.append(f"remove {what.rpartition('/')[2]}")
            said = {"/info": {"MemTotal": 1 << 30, "NCPU": 2}}.get(what, [] if what.endswith("/json") else {})
            text = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - names that the library looks for

        def address_string(self) -> str:
            return "socket"

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    with Server(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield asked, allowed
        finally:
            allowed.set()
            server.shutdown()


def test_a_control_plane_that_is_stopped_while_it_starts_removes_what_the_engine_still_makes(tmp_path: Path) -> None:
    with _slow_engine(tmp_path / "engine.sock") as (asked, allowed):
        settings = {"ENVIRONMENT": "slow", "OWNER": "1@here", "STARTED": "now", "TOKEN": "t", "ACCOUNT_SECRET": "s"}
        settings |= {"SOCKET": str(tmp_path / "engine.sock"), "STATE": str(tmp_path), "LISTEN_PORT": "0"}
        environ = {f"KAAPANA_HARNESS_{name}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "harness.incluster.controlplane"]
        with subprocess.Popen(command, env={**os.environ, **environ}) as process:
            try:
                until(lambda: len(asked) == 4)
                process.send_signal(signal.SIGTERM)
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.5)
                allowed.set()
                assert process.wait(_GONE_S) == 0
            finally:
                process.kill()
    made = {line.partition(" ")[2] for line in asked if line.startswith("make")}
    assert made == {"kh-slow-edge", "kh-slow-platform", "kh-slow-pods", "kh-slow-ctp"}
    assert made <= {line.partition(" ")[2] for line in asked if line.startswith("remove")}


def test_a_program_that_ignores_the_first_signal_is_stopped(environment_id: str, services_image: str) -> None:
    deaf = "import os, signal, time\nsignal.signal(15, lambda *_: signal.signal(15, lambda *_: os._exit(0)))\n"
    with contextlib.closing(connect()) as client:
        command = ["python", "-c", f"{deaf}print('deaf', flush=True)\nwhile True: time.sleep(9)"]
        client.containers.run(services_image, command, name=f"kh-{environment_id}", detach=True, auto_remove=True)
        until(lambda: b"deaf" in client.api.logs(f"kh-{environment_id}"))
        control_plane.stop(client, environment_id)
        until(lambda: not client.api.containers(filters={"name": f"kh-{environment_id}"}))


class SlowNetwork:
    """A network in an engine from which containers go late.

    Attributes:
        attached: the containers that are on it at each attempt to remove it; the last value stays.
        counted: attempts after the last container has gone that the engine still refuses.
    """

    def __init__(self, attached: list[int], counted: int) -> None:
        self.attached = attached
        self.counted = counted
        self.removed = False

    def remove_network(self, network: str) -> None:
        if self.attached[0] or self.counted > 0:
            self.counted -= not self.attached[0]
            answer = requests.Response()
            answer.status_code = 403
            raise docker.errors.APIError("Forbidden", answer, "network has active endpoints")
        self.removed = True

    def inspect_network(self, network: str) -> dict[str, Any]:
        left = self.attached.pop(0) if len(self.attached) > 1 else self.attached[0]
        return {"Containers": {str(number): {"Name": f"pod-{number}"} for number in range(left)}}


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the waits for containers short, in the same proportion."""
    monkeypatch.setattr(leftovers, "_GOING_S", 2.0)
    monkeypatch.setattr(leftovers, "_ENDPOINTS_S", 0.3)
    monkeypatch.setattr(leftovers, "_AGAIN_S", 0.05)


@pytest.mark.usefixtures("_hurried")
def test_a_network_waits_for_the_containers_that_are_going() -> None:
    network = SlowNetwork([2] * 15 + [0], counted=3)
    leftovers.remove_network(SimpleNamespace(api=network), "net")  # type: ignore[arg-type]
    assert network.removed


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize(
    ("attached", "fix"), [(2, "end what is on it: pod-0, pod-1"), (0, "no container is on it: the engine's records")]
)
def test_a_network_that_stays_is_an_error_with_the_containers_on_it(attached: int, fix: str) -> None:
    network = SlowNetwork([attached], counted=10_000)
    with pytest.raises(NotRemovedError, match="does not remove network net") as caught:
        leftovers.remove_network(SimpleNamespace(api=network), "net")  # type: ignore[arg-type]
    assert caught.value.last_seen == "network has active endpoints"
    assert caught.value.fix.startswith(fix)


def test_containers_made_after_the_control_plane_was_ended_are_removed(
    environment_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = leftovers.remove_network
    entry = ledger.new_entry(environment_id, "docker")

    def remove_and_make(client: Any, network: str) -> None:
        # the engine comes to the request of a control plane that was killed
        monkeypatch.setattr(leftovers, "remove_network", remove)
        networks.create(client, f"kh-{environment_id}-late", leftovers.make_labels(entry))
        remove(client, network)

    with contextlib.closing(connect()) as client:
        networks.create_edge(client, entry)
        monkeypatch.setattr(leftovers, "remove_network", remove_and_make)
        assert leftovers.remove(client, environment_id)
        assert leftovers.find(client, environment_id) == {}
