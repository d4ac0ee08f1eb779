"""A real kind cluster: whose it is and what becomes of it. Run by ``tox -e kind``."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cluster import ledger, open_cluster
from harness.cluster.kind import leftovers
from harness.cluster.kind.cluster import KindCluster
from harness.engine import connect
from harness.platform import ownership
from harness.settings import Settings
from tests.cluster.conftest import CLUSTERS
from tests.cluster.kind.test_keeper import left, read_until, wait_until_nothing_is_left
from tests.cluster.objects import Objects

pytestmark = pytest.mark.skipif("kind" not in CLUSTERS, reason="needs a kind cluster: tox -e kind")

# what kind says at the beginning of each step, and the end of all of them
_STAGES = [
    "Ensuring node image",
    "Preparing nodes",
    "Writing configuration",
    "Starting control-plane",
    "Installing CNI",
    "Installing StorageClass",
    "usable",
]
_OWNER = """
import sys, time
from harness.cluster import open_cluster
from harness.settings import Settings
cluster = open_cluster("kind", Settings(), environment_id=sys.argv[1], on_progress=lambda line: print(line, flush=True))
try:
    cluster.wait_until_usable()
    print("usable", flush=True)
    time.sleep(600)
finally:
    cluster.close()
"""


@pytest.fixture
def environment_id(settings: Settings) -> Iterator[str]:
    """The id of an environment of which nothing is left after the test, whatever it does."""
    name = f"k{secrets.token_hex(3)}"
    yield name
    with contextlib.closing(connect()) as client:
        leftovers.remove(client, settings.state, name)
    ledger.forget(settings.state, name)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("moment", _STAGES)
def test_nothing_is_left_of_an_owner_that_is_ended(
    settings: Settings, environment_id: str, moment: str, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _OWNER, environment_id],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    read_until(process, moment)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    if number == signal.SIGINT:
        # it removes its cluster itself, before it ends
        assert "KeyboardInterrupt" in said
        assert left(settings, environment_id) == []
    wait_until_nothing_is_left(settings, environment_id)


def test_the_users_own_kubeconfig_is_not_touched_and_ours_is_for_the_user_only(
    settings: Settings, environment_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "config"
    own.write_text("current-context: mine\n")
    monkeypatch.setenv("KUBECONFIG", str(own))
    cluster = KindCluster.create(settings, environment_id)
    try:
        assert own.read_text() == "current-context: mine\n"
        assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
        assert f"kh-{environment_id}" in cluster.kubeconfig.read_text()
        objects = Objects(cluster.api, "default")
        objects.create("ConfigMap", "words", data={"a": "b"})
        # kept, adopted, ended by another process's `down`
        ledger.update(settings.state, environment_id, key="settings-1")
        cluster.close(keep=True)
        assert environment_id not in ownership.prune(settings.state)
        adopted = open_cluster("kind", settings, environment_id=environment_id, reuse=True)
        assert adopted.api.get("ConfigMap", "default", "words")["data"] == {"a": "b"}
        adopted.close(keep=True)
        assert environment_id in ownership.down(settings.state)
        assert left(settings, environment_id) == []
    finally:
        cluster.close()
