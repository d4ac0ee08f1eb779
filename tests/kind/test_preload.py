"""The container in which a node gets its images."""

from __future__ import annotations

import subprocess
import sys
import time

from docker import APIClient

from harness import images
from harness.doctor import EngineFacts
from harness.engine import connect_api
from harness.settings import Settings

_HOLD = """
import sys
from harness.cluster.kind.node_image import preload
from harness.engine import connect_api
with preload._container(sys.argv[1], connect_api()) as container:
    print(container, flush=True)
    sys.stdin.read()
"""


def is_there(api: APIClient, container: str) -> bool:
    return any(found["Id"] == container for found in api.containers(all=True))


def test_it_is_gone_after_its_owner_is_killed(usable_engine: EngineFacts) -> None:
    command = [sys.executable, "-c", _HOLD, images.ensure("services", settings=Settings.load(environ={}))]
    with (
        connect_api() as api,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner,
    ):
        assert owner.stdout is not None
        container = owner.stdout.readline().strip()
        assert is_there(api, container)
        owner.kill()
        deadline = time.monotonic() + 30
        while is_there(api, container):
            assert time.monotonic() < deadline, "the container goes on without its owner"
            time.sleep(0.05)
