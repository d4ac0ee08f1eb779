"""The engine's socket is not at the client's path for its containers where the engine runs in a virtual machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from harness.doctor import require_engine
from harness.engine import own_socket

_MAKE = """\
import sys
from harness.cluster.docker.launcher import DockerCluster
from harness.engine import trial
from harness.errors import EngineError
from harness.settings import Settings

environment, image, tried = sys.argv[1:]
try:
    if tried == "trial":
        trial.try_engine(image)
    else:
        DockerCluster.create(Settings(), environment, image=image).close()
except EngineError as error:
    print(error)
else:
    print("made")
"""

needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and the command unshare"
)


def run_apart(prefix: list[str], image: str, tried: str, tmp_path: Path, **environ: str) -> str:
    """Make a cluster, or try the engine, in a process that ``prefix`` starts; what it prints."""
    command = [*prefix, sys.executable, "-c", textwrap.dedent(_MAKE), f"s{os.getpid():x}", image, tried]
    variables = {**os.environ, "KAAPANA_HARNESS_STATE_DIR": str(tmp_path / "state"), **environ}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_namespaces
@pytest.mark.parametrize("tried", ["trial", "cluster"])
def test_the_engine_of_a_virtual_machine_is_reached_at_its_own_place(
    tried: str, services_image: str, tmp_path: Path
) -> None:
    there = tmp_path / "of the client.sock"
    # what containers find at the client's path
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(there))
    mount = ["unshare", "--mount", "sh", "-ec", 'mount --bind "$0" "$1"; shift; exec "$@"']
    prefix = [*mount, os.path.realpath(require_engine().socket), str(there)]
    said = run_apart(prefix, services_image, tried, tmp_path, DOCKER_HOST=f"unix://{there}")
    assert said == "made\n"


@needs_namespaces
@pytest.mark.parametrize("tried", ["trial", "cluster"])
def test_a_process_in_another_network_fails_within_seconds(tried: str, services_image: str, tmp_path: Path) -> None:
    said = run_apart(["unshare", "--net"], services_image, tried, tmp_path)
    assert "of 127.0.0.1" in said.splitlines()[0]
    assert "is not reached from this process" in said.splitlines()[0]
    assert "docker run --network host" in said


def test_the_default_place_is_tried_where_the_client_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(own_socket, "require_engine", lambda: _At("/home/ada/.colima/default/docker.sock"))
        assert own_socket.list_candidates() == ["/home/ada/.colima/default/docker.sock", "/var/run/docker.sock"]
        patch.setattr(own_socket, "require_engine", lambda: _At("/var/run/docker.sock"))
        assert own_socket.list_candidates() == [os.path.realpath("/var/run/docker.sock")]


class _At:
    """An engine at a socket."""

    def __init__(self, path: str) -> None:
        self.socket = path
