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
from typing import Any

import pytest

from harness.cluster import ledger
from harness.cluster.docker import control_plane
from harness.engine import connect, leftovers, networks
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


def test_containers_made_after_the_control_plane_was_ended_are_removed(
    environment_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = leftovers.remove_network
    entry = ledger.new_entry(environment_id, "docker")

    def remove_and_make(client: Any, network: str) -> None:
        # the engine comes to the request of a control plane that was killed
        monkeypatch.setattr(leftovers, "remove_network", remove)
        client.api.create_network(f"kh-{environment_id}-late", labels=leftovers.make_labels(entry))
        remove(client, network)

    with contextlib.closing(connect()) as client:
        networks.create_edge(client, entry)
        monkeypatch.setattr(leftovers, "remove_network", remove_and_make)
        assert leftovers.remove(client, environment_id)
        assert leftovers.find(client, environment_id) == {}
