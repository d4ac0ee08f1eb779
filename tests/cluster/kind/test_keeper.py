"""Nothing stays of a kind cluster, however and whenever its owner ends; with a fake kind program.

The program makes what kind makes as far as removal is concerned: containers with kind's label, with a volume, on the
cluster's network.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cluster import ledger
from harness.cluster.kind import leftovers, names
from harness.cluster.kind.cluster import _order
from harness.cluster.kind.owner import Keeper
from harness.engine import connect
from harness.errors import PlatformError
from harness.platform import ownership
from harness.settings import Settings

_GONE_S = 30.0

# arguments of kind's: create cluster --name NAME --image IMAGE ...
_KIND = """#!/bin/sh
echo "Creating cluster \\"$4\\""
docker run -d --name "$4-control-plane" --label io.x-k8s.kind.cluster="$4" --label io.x-k8s.kind.role=control-plane \\
    --network "$KIND_EXPERIMENTAL_DOCKER_NETWORK" --volume /var "$6" sleep 600 || exit 1
echo "node made"
%s
"""

_OWNER = """
import sys, time
from pathlib import Path
from harness.cluster.kind.cluster import _order
from harness.cluster.kind.owner import Keeper
from harness.cluster import ledger
from harness.settings import Settings
settings = Settings()
entry = ledger.new_entry(sys.argv[1], "kind")
ledger.record(settings.state, entry)
keeper = Keeper(_order(settings.state, entry, Path(sys.argv[2]), sys.argv[3], (1, 34)), str(settings.state))
say = lambda line: print(line, flush=True)
keeper.wait_until_made(say)
say("made")
time.sleep(600)
"""


@pytest.fixture
def environment_id(settings: Settings, services_image: str) -> Iterator[str]:
    """The id of an environment of which nothing is left after the test, whatever it does."""
    name = f"k{secrets.token_hex(3)}"
    yield name
    with contextlib.closing(connect()) as client:
        leftovers.remove(client, settings.state, name)
    ledger.forget(settings.state, name)


def _program(folder: Path, then: str = "") -> Path:
    path = folder / "kind"
    path.write_text(_KIND % then)
    path.chmod(0o755)
    return path


def _keeper(settings: Settings, environment_id: str, program: Path, image: str) -> Keeper:
    entry = ledger.new_entry(environment_id, "kind")
    ledger.record(settings.state, entry)
    return Keeper(_order(settings.state, entry, program, image, (1, 34)), str(settings.state))


def _owner(environment_id: str, program: Path, image: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        [sys.executable, "-c", _OWNER, environment_id, str(program), image],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        if words in line:
            return line
        lines.append(line)
    error = process.stderr.read() if process.stderr else ""
    raise AssertionError(f"the owner never said {words!r}, but:\n{''.join(lines)}{error}")


def left(settings: Settings, environment_id: str) -> list[str]:
    """What there is of an environment."""
    with contextlib.closing(connect()) as client:
        name = names.cluster_name(environment_id)
        found = [entry["Names"][0] for entry in client.api.containers(all=True, filters={"name": name})]
        found += [entry["Name"] for entry in client.api.networks(names=[name])]
        found += [entry["Name"] for entry in client.api.volumes(filters={"name": name})["Volumes"] or ()]
    if ledger.find(settings.state, environment_id):
        found.append("entry in the ledger")
    if names.folder(settings.state, environment_id).exists():
        found.append("folder")
    return found


def wait_until_nothing_is_left(settings: Settings, environment_id: str) -> None:
    deadline = time.monotonic() + _GONE_S
    while found := left(settings, environment_id):
        assert time.monotonic() < deadline, found
        # another process removes it, and has no terminal to report to
        time.sleep(0.2)


def _volume(environment_id: str) -> str:
    with contextlib.closing(connect()) as client:
        node = client.api.inspect_container(f"kh-{environment_id}-control-plane")
        return str(next(mount["Name"] for mount in node["Mounts"] if mount["Destination"] == "/var"))


def test_a_cluster_is_made_and_removed_on_request(
    settings: Settings, environment_id: str, services_image: str, tmp_path: Path
) -> None:
    keeper = _keeper(settings, environment_id, _program(tmp_path), services_image)
    lines: list[str] = []
    keeper.wait_until_made(lines.append)
    assert lines[-1] == "[kind] node made"
    with contextlib.closing(connect()) as client:
        volume = _volume(environment_id)
        found = leftovers.find(client)[environment_id]
        assert (len(found.nodes), found.ledger) == (1, str(settings.state))
        assert found.owner.startswith(f"{os.getpid()}@")
        keeper.remove()
        assert left(settings, environment_id) == []
        assert volume not in {entry["Name"] for entry in client.api.volumes()["Volumes"] or ()}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(
    ("then", "moment"),
    [("", "made"), ("sleep 3; exit 1", "node made"), ("docker wait $4-control-plane; exit 1", "node made")],
)
def test_nothing_is_left_of_an_owner_that_is_killed(
    settings: Settings,
    environment_id: str,
    services_image: str,
    tmp_path: Path,
    number: signal.Signals,
    then: str,
    moment: str,
) -> None:
    process = _owner(environment_id, _program(tmp_path, then), services_image)
    read_until(process, moment)
    # all of its process group, as a closed terminal or a stopped job ends it
    os.killpg(process.pid, number)
    process.wait(_GONE_S)
    wait_until_nothing_is_left(settings, environment_id)


def test_requests_of_kind_still_open_when_the_owner_disconnected_are_removed_too(
    settings: Settings, environment_id: str, services_image: str, tmp_path: Path
) -> None:
    # a command that outlives kind, and has a node made after the first removal
    request = (
        "(docker wait $4-control-plane; sleep 1; docker run -d --name $4-worker --label io.x-k8s.kind.cluster=$4 "
        '"$6" sleep 600); exit 1'
    )
    process = _owner(environment_id, _program(tmp_path, request), services_image)
    read_until(process, "node made")
    process.kill()
    process.wait(_GONE_S)
    wait_until_nothing_is_left(settings, environment_id)


def test_a_network_that_kind_recreates_is_removed(
    settings: Settings, environment_id: str, services_image: str, tmp_path: Path
) -> None:
    program = _program(tmp_path)
    # in the same range: the engine may have no other left
    recreate = (
        "range=$(docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' \"$KIND_EXPERIMENTAL_DOCKER_NETWORK\")\n"
        'docker network rm "$KIND_EXPERIMENTAL_DOCKER_NETWORK"\n'
        'docker network create --subnet "$range" "$KIND_EXPERIMENTAL_DOCKER_NETWORK" || exit 1'
    )
    program.write_text(program.read_text("utf-8").replace("echo", f"{recreate}\necho", 1), "utf-8")
    keeper = _keeper(settings, environment_id, program, services_image)
    keeper.wait_until_made(lambda line: None)
    keeper.remove()
    assert left(settings, environment_id) == []


def test_a_failure_of_kind_is_reported_with_its_last_lines(
    settings: Settings, environment_id: str, services_image: str, tmp_path: Path
) -> None:
    program = _program(tmp_path, 'echo "ERROR: failed to init node" >&2; exit 7')
    keeper = _keeper(settings, environment_id, program, services_image)
    with pytest.raises(PlatformError, match="kind could not create the cluster") as caught:
        keeper.wait_until_made(lambda line: None)
    assert "failed to init node" in caught.value.last_seen
    assert "exit status 7" in caught.value.last_seen
    keeper.remove()
    assert left(settings, environment_id) == []


def test_a_kept_cluster_outlives_its_owner_and_prune_leaves_it(
    settings: Settings, environment_id: str, services_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = _keeper(settings, environment_id, _program(tmp_path), services_image)
    keeper.wait_until_made(lambda line: None)
    # the owner of a kept one is gone
    ledger.update(settings.state, environment_id, kept=True, owner=f"0@{os.uname().nodename}", owner_start=0)
    keeper.keep()
    # prune with another ledger does not know it, but finds its ledger
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "other"))
    assert environment_id not in ownership.prune(Settings().state)
    monkeypatch.undo()
    assert len(left(settings, environment_id)) == 4
    # it has no API server, so that one's own prune finds that it does not work
    assert environment_id in ownership.prune(settings.state)
    assert left(settings, environment_id) == []


def test_a_cluster_whose_keeper_was_also_killed_is_removed_at_the_next_start(
    settings: Settings, environment_id: str, services_image: str, tmp_path: Path
) -> None:
    process = _owner(environment_id, _program(tmp_path), services_image)
    read_until(process, "made")
    read_until(process, "made")
    keepers = [pid for pid in _children(process.pid) if b"harness.cluster.kind.keeper" in _command_line(pid)]
    assert len(keepers) == 1
    os.kill(keepers[0], signal.SIGKILL)
    process.kill()
    process.wait(_GONE_S)
    assert f"/{names.cluster_name(environment_id)}-control-plane" in left(settings, environment_id)
    assert environment_id in ownership.tidy(settings.state)
    assert left(settings, environment_id) == []


def test_a_child_of_the_owner_does_not_keep_the_cluster_alive(
    settings: Settings, environment_id: str, services_image: str, tmp_path: Path
) -> None:
    script = _OWNER.replace(
        "time.sleep(600)", "import os\nchild = os.fork()\nif child: say(f'child {child}.')\ntime.sleep(600)"
    )
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", script, environment_id, str(_program(tmp_path)), services_image],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    child = int(read_until(process, "child ").split()[1].rstrip("."))
    process.kill()
    process.wait(_GONE_S)
    try:
        wait_until_nothing_is_left(settings, environment_id)
        assert Path(f"/proc/{child}").exists()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        if text.split():
            return [int(word) for word in text.split()]
        time.sleep(0.05)
    return []


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
