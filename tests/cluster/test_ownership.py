"""Nothing stays: owners that end in whatever way, the ledger, reuse, and environments side by side."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from harness.cluster import ledger, ledger_file, open_cluster
from harness.cluster.docker.launcher import DockerCluster
from harness.engine import connect, leftovers, networks
from harness.platform import ownership
from harness.settings import Settings
from tests.cluster.objects import IMAGE, Objects, shell

_GONE_S = 30.0

_OWNER = """
import sys, time
from harness.cluster.docker.launcher import DockerCluster
from harness.settings import Settings
from tests.cluster.objects import IMAGE, Objects, shell
cluster = DockerCluster.create(Settings(), sys.argv[1])
cluster.provide_images({IMAGE: sys.argv[2]})
objects = Objects(cluster.api, "default")
objects.claim("data")
volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
name = objects.pod(shell("sleep 600", volumeMounts=[{"name": "data", "mountPath": "/data"}]), volumes=volumes)
objects.until("Pod", name, lambda pod: pod["status"].get("phase") == "Running")
print("running", flush=True)
try:
    time.sleep(600)
finally:
    cluster.close()
"""


def _owner(environment_id: str, image: str) -> subprocess.Popen[str]:
    """A process with a cluster in which a pod runs."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", _OWNER, environment_id, image],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    return process


def _volumes() -> set[str]:
    client = connect()
    names = {volume["Name"] for volume in client.api.volumes()["Volumes"] or ()}
    client.close()
    return names


def _wait_until_nothing_is_left(environment_id: str) -> float:
    client = connect()
    begin = time.monotonic()
    try:
        while leftovers.find(client, environment_id):
            assert time.monotonic() - begin < _GONE_S, leftovers.find(client, environment_id)
            # the engine is asked for labels: there is nothing to subscribe to that says "all is gone"
            time.sleep(0.2)
    finally:
        client.close()
    return time.monotonic() - begin


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_an_owner_that_is_killed(
    environment_id: str, services_image: str, number: signal.Signals
) -> None:
    process = _owner(environment_id, services_image)
    client = connect()
    mounts = client.api.inspect_container(f"kh-{environment_id}")["Mounts"]
    volume = next(mount["Name"] for mount in mounts if mount["Destination"] == "/state")
    client.close()
    assert volume in _volumes()
    process.send_signal(number)
    process.wait(_GONE_S)
    _wait_until_nothing_is_left(environment_id)
    assert volume not in _volumes()


def test_a_control_plane_that_has_stopped_is_named_and_nothing_is_left(
    environment_id: str, settings: Settings, services_image: str
) -> None:
    cluster = open_cluster("docker", settings, environment_id=environment_id)
    try:
        assert cluster.trouble() == ""
        name, what = f"kh-{environment_id}", "the control plane of the docker cluster"
        client = connect()
        client.api.pause(name)
        assert cluster.trouble() == f"{what} is paused: `docker unpause {name}`"
        client.api.unpause(name)
        client.api.kill(name)
        # the engine removes it by itself, in its own time
        with contextlib.suppress(docker.errors.NotFound):
            client.api.wait(name, condition="removed")
        client.close()
        assert cluster.trouble() == f"{what} is gone: there is no container {name} any more"
    finally:
        cluster.close()
    _wait_until_nothing_is_left(environment_id)


def test_leftovers_of_a_crashed_control_plane_are_pruned_after_its_owner_ends(
    environment_id: str, services_image: str, settings: Settings
) -> None:
    process = _owner(environment_id, services_image)
    client = connect()
    client.api.kill(f"kh-{environment_id}", "SIGKILL")
    # the owner lives, so this is not pruned yet
    assert environment_id not in ownership.prune(settings.state)
    assert leftovers.find(client, environment_id)[environment_id].networks
    client.close()
    process.kill()
    process.wait(_GONE_S)
    assert environment_id in ownership.prune(settings.state)
    _wait_until_nothing_is_left(environment_id)
    assert ledger.find(settings.state, environment_id) is None


def test_the_user_may_stop_the_control_plane_and_all_goes_with_it(environment_id: str, services_image: str) -> None:
    process = _owner(environment_id, services_image)
    client = connect()
    client.api.stop(f"kh-{environment_id}", timeout=10)
    client.close()
    _wait_until_nothing_is_left(environment_id)
    process.kill()
    process.wait(_GONE_S)


def test_a_control_plane_is_not_removed_while_it_leaves_its_networks(
    environment_id: str, services_image: str, settings: Settings
) -> None:
    client = connect()
    begin = int(time.time())
    DockerCluster.create(settings, environment_id, image=services_image).close()
    of_it = {"container": f"kh-{environment_id}"}
    events = list(client.api.events(since=begin, until=int(time.time()) + 1, filters=of_it, decode=True))
    client.close()
    assert [event["Actor"]["Attributes"]["exitCode"] for event in events if event["Action"] == "die"] == ["0"]
    assert "kill" not in {event["Action"] for event in events}


def test_a_kept_environment_outlives_its_owner_and_is_adopted(
    environment_id: str, services_image: str, settings: Settings
) -> None:
    first = DockerCluster.create(settings, environment_id, image=services_image)
    first.provide_images({IMAGE: services_image})
    objects = Objects(first.api, "default")
    objects.create("ConfigMap", "words", data={"a": "b"})
    ledger.update(settings.state, environment_id, key="settings-1", secrets={"word": "geheim"})
    first.close(keep=True)
    # longer than a control plane waits for an owner that has gone
    time.sleep(3)
    entries = ledger.find_adoptable(settings.state, "settings-1")
    assert [(entry.id, entry.secrets) for entry in entries] == [(environment_id, {"word": "geheim"})]
    assert ledger.find_adoptable(settings.state, "settings-2") == []
    assert environment_id not in ownership.prune(settings.state)
    second = open_cluster("docker", settings, environment_id=environment_id, reuse=True)
    assert second.api.get("ConfigMap", "default", "words")["data"] == {"a": "b"}
    assert IMAGE in second.node_images()
    second.close(keep=True)
    assert environment_id in ownership.down(settings.state)
    _wait_until_nothing_is_left(environment_id)


def test_two_environments_do_not_disturb_each_other(
    environment_id: str, services_image: str, settings: Settings
) -> None:
    other = DockerCluster.create(settings, f"{environment_id}b", image=services_image)
    mine = DockerCluster.create(settings, environment_id, image=services_image)
    try:
        for cluster in (mine, other):
            cluster.provide_images({IMAGE: services_image})
            objects = Objects(cluster.api, "default")
            assert objects.output(shell(f"echo {cluster.environment_id}"), name="same") == cluster.environment_id
        other.close()
        assert Objects(mine.api, "default").log("same") == environment_id
    finally:
        other.close()
        mine.close()
    assert leftovers.find(connect(), environment_id) == {}


def test_the_ledger_is_for_the_user_only_and_empty_after_an_orderly_end(
    environment_id: str, services_image: str, settings: Settings
) -> None:
    cluster = DockerCluster.create(settings, environment_id, image=services_image)
    path = settings.state / ledger_file.NAME
    assert path.stat().st_mode & 0o777 == 0o600
    entry = ledger.find(settings.state, environment_id)
    assert entry is not None
    assert entry.owner == f"{os.getpid()}@{socket.gethostname()}"
    assert ledger.is_alive(entry)
    assert "in use" in str(entry)
    cluster.close()
    cluster.close()
    assert ledger.find(settings.state, environment_id) is None
    assert entry.token.encode() not in path.read_bytes()


def test_nothing_is_left_when_the_control_plane_does_not_start(environment_id: str, settings: Settings) -> None:
    from harness import images
    from harness.errors import PlatformError

    # an image without the program
    image = images.ensure("python", settings=settings)
    with pytest.raises(PlatformError, match=r"did not start: .*No module named"):
        DockerCluster.create(settings, environment_id, image=image)
    assert ledger.find(settings.state, environment_id) is None
    _wait_until_nothing_is_left(environment_id)


def test_an_interrupt_while_the_engine_creates_something_waits_for_it_before_the_removal(
    environment_id: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    create, remove = networks.create_edge, leftovers.remove

    def create_interrupted(*arguments: Any) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        create(*arguments)
        order.append("created")

    def note_removal(*arguments: Any) -> bool:
        order.append("removed")
        return remove(*arguments)

    monkeypatch.setattr(networks, "create_edge", create_interrupted)
    monkeypatch.setattr(leftovers, "remove", note_removal)
    with pytest.raises(KeyboardInterrupt):
        DockerCluster.create(settings, environment_id)
    assert order == ["created", "removed"]
    assert ledger.find(settings.state, environment_id) is None
    _wait_until_nothing_is_left(environment_id)
