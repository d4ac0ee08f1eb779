"""The namespaces of an engine leave nothing behind (root only)."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.common.locking import hold_lock
from tests.engines.matrix import keeper, machine, namespace, rootfs, rows, traces
from tests.engines.matrix.enter import Order
from tests.engines.matrix.machine import PROGRAMS
from tests.engines.matrix.traces import Traces

_REMOVED_S = 120.0
_LOOK = "import os, json; print(json.dumps([os.getpid(), os.listdir('/'), open('/proc/self/mountinfo').read()]))"


@pytest.fixture(autouse=True)
def _able(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    able = dataclasses.replace(machine.look(tmp_path), free=machine.FREE_BYTES, stacked=False)
    # no root file system is made here
    able = dataclasses.replace(able, programs=able.programs | {"mmdebstrap", "apt-get"})
    assert {"mmdebstrap", "apt-get"} <= set(PROGRAMS)
    if missing := machine.lacks(able, tmp_path):
        pytest.skip(f"this machine lacks {missing[0]}")
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[namespace.Namespace]:
    """Namespaces that are removed after the test."""
    record = tmp_path / "ledger" / "row.json"
    link, found = namespace.plan("t" + os.urandom(2).hex())
    found.write(record)
    try:
        with namespace.opened(link, found, record) as made:
            yield made
    finally:
        assert traces.remove(record) == []


def there(said: dict[str, Any]) -> list[str]:
    """What of a runner is on the machine."""
    rules = [rule for rule in said["rules"] if subprocess.run(_check(rule), capture_output=True).returncode == 0]
    device = [said["device"]] if Path("/sys/class/net", said["device"]).exists() else []
    # the id may have got to another process
    first = [f"process {said['first']}"] if "matrix.init" in _command(said["first"]) else []
    return [*map(str, rules), *device, *first]


def _check(rule: list[str]) -> list[str]:
    return ["iptables", "--wait", "10", "--table", rule[0], "--check", *rule[1:]]


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    return ""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, None], ids=["SIGKILL", "SIGTERM", "its own end"])
def test_nothing_stays_of_a_runner_that_has_ended(tmp_path: Path, number: signal.Signals | None) -> None:
    work = tmp_path / "work"
    runner = subprocess.Popen(
        [sys.executable, "-m", "tests.engines.matrix_runner", str(work)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # as of a terminal: the whole group gets the signal
        start_new_session=True,
    )
    assert runner.stdout is not None
    said = json.loads(runner.stdout.readline())
    assert len(there(said)) == 5
    assert (work / "ledger" / "row.json").is_file()
    if number is not None:
        os.killpg(runner.pid, number)
    runner.communicate()
    # the remover holds the lock
    with hold_lock(tmp_path / "state" / "locks" / "engines.lock", timeout_s=_REMOVED_S):
        assert there(said) == []
        assert not work.exists()


def test_the_next_call_removes_what_a_keeper_could_not(tmp_path: Path) -> None:
    work = tmp_path / "work"
    _, left = namespace.plan("t" + os.urandom(2).hex())
    left.folders = [str(work / "data")]
    (work / "data").mkdir(parents=True)
    left.write(keeper.ledger(work) / "row.json")
    table, chain, *words = left.rules[0]
    subprocess.run(["iptables", "--wait", "10", "--table", table, "--insert", chain, *words], check=True)
    with keeper.kept(work, keep=True):
        assert subprocess.run(_check(left.rules[0]), capture_output=True).returncode != 0
        assert list(work.iterdir()) == [keeper.ledger(work)]


def test_a_process_that_has_got_the_id_of_another_one_is_left_alone(tmp_path: Path) -> None:
    record = tmp_path / "row.json"
    with subprocess.Popen(["sleep", "1000"]) as innocent:
        try:
            Traces(process=(innocent.pid, traces.started(innocent.pid) - 1)).write(record)
            assert traces.remove(record) == []
            assert innocent.poll() is None
            Traces(process=(innocent.pid, traces.started(innocent.pid))).write(record)
            assert traces.remove(record) == []
            assert innocent.wait() == -signal.SIGKILL
        finally:
            innocent.kill()


def test_who_is_inside_reaches_the_machine_and_has_its_own_processes(inside: namespace.Namespace) -> None:
    script = (
        "import os, socket; print(sorted(n for n in os.listdir('/proc') if n.isdigit())[:1], socket.if_nameindex())"
    )
    done = subprocess.run(inside.command([sys.executable, "-c", script]), capture_output=True, text=True, check=True)
    assert done.stdout == "['1'] [(1, 'lo'), (2, 'eth0')]\n"


def test_a_program_in_another_root_sees_no_mount_of_the_machine(inside: namespace.Namespace, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("usr", "proc", "sys", "dev", "run"):
        (root / folder).mkdir(parents=True)
    for link in ("bin", "lib", "lib64"):
        (root / link).symlink_to(f"usr/{link}")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "file").write_text("shared")
    given = {"/usr": "/usr", "/given/here": str(tmp_path / "shared"), "/etc/one": str(tmp_path / "shared" / "file")}
    command = ["/bin/sh", "-c", "ls /; cat /given/here/file /etc/one; echo; cut -d' ' -f5 /proc/self/mountinfo; env"]
    order = Order(str(root), given, command, {"ONLY": "this"})
    words = [sys.executable, "-m", "tests.engines.matrix.enter", json.dumps(dataclasses.asdict(order))]
    done = subprocess.run(inside.command(words, mounts=True), capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[:10] == ["bin", "dev", "etc", "given", "lib", "lib64", "proc", "run", "sys", "usr"]
    assert lines[10] == "sharedshared"
    assert "ONLY=this" in lines
    assert "HOME=" not in done.stdout
    assert str(tmp_path) not in done.stdout
    # for the machine nothing is mounted there
    assert str(root) not in Path("/proc/self/mountinfo").read_text("utf-8")


def test_mounts_for_making_a_root_file_system_are_not_seen_by_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = rows.read_rows()[0]
    root = rootfs.root_of(tmp_path, row)
    program = tmp_path / "bin" / "mmdebstrap"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nmkdir -p {root}/inner && mount -t tmpfs none {root}/inner && touch {root}/inner/file\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    rootfs.make_root(root, row, "", tmp_path / "log")
    assert (tmp_path / "log").read_text() == ""
    assert list((root / "inner").iterdir()) == []
