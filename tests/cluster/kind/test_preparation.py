"""Contents of nodes whose maker is killed; on a real engine, with the node image."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from harness.cluster.kind import bases, names, node_image, preparation
from harness.common.progress import quiet
from harness.engine import connect
from harness.settings import Settings
from tests.cluster.conftest import CLUSTERS

_SOON_S = 120.0
_MAKER = """
import sys
from harness.cluster.kind import preparation
from harness.settings import Settings
preparation.ensure(Settings(), sys.argv[1], [sys.argv[2]], print)
"""


@pytest.fixture
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Use a separate ledger, so that environments of other processes do not affect the test."""
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))
    return Settings()


@pytest.fixture
def client(own_settings: Settings) -> Iterator[docker.DockerClient]:
    with contextlib.closing(connect()) as engine:
        yield engine
        own = {"label": f"{names.LABEL_LEDGER}={own_settings.state}"}
        for volume in engine.api.volumes(filters=own)["Volumes"] or ():
            engine.api.remove_volume(volume["Name"])


def _containers(client: docker.DockerClient, settings: Settings) -> list[str]:
    own = [f"{name}={value}" for name, value in bases.make_labels(settings.state).items()]
    return [container["Id"] for container in client.api.containers(filters={"label": own})]


@pytest.mark.skipif("kind" not in CLUSTERS, reason="needs the image of kind's nodes: tox -e kind")
def test_after_a_kill_the_next_start_finds_nothing_in_its_way_and_makes_it(
    client: docker.DockerClient, own_settings: Settings, settings: Settings, services_image: str
) -> None:
    image = node_image.ensure(settings, quiet)
    maker = subprocess.Popen([sys.executable, "-c", _MAKER, image, services_image], start_new_session=True)
    deadline = time.monotonic() + _SOON_S
    while not _containers(client, own_settings):
        assert maker.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(maker.pid, signal.SIGKILL)
    maker.wait()
    assert _containers(client, own_settings)
    name = preparation.ensure(own_settings, image, [services_image], quiet)
    assert name in bases.find_complete(client)
    assert _containers(client, own_settings) == []
