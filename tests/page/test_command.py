"""The verb ``page``: which environment, what is printed, and how it ends."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from harness.cli.verbs import cli
from harness.cluster import ledger
from harness.platform.credentials import Credentials
from tests.page.conftest import Visitor
from tests.page.fake_environment import PASSWORD

ROOT = Path(__file__).parents[2]
_SERVED = f"""
import sys
from pathlib import Path
from harness.cli.verbs import main
from harness.common.redaction import REDACTOR
from harness.platform.environment import Environment
from tests.page.fake_environment import FakeEnvironment

REDACTOR.add({PASSWORD!r})
fake = FakeEnvironment(Path(sys.argv.pop()))
fake.detach = lambda: print("detached", file=sys.stderr)
Environment.attach = lambda settings, entry: fake
sys.argv = ["kaapana-harness", "page"]
main()
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(folder))
    return folder


def leave(state: Path, environment_id: str, *, kept: bool = True, **fields: str) -> None:
    ledger.record(state, dataclasses.replace(ledger.new_entry(environment_id, "docker", **fields), kept=kept))


def call(*words: str) -> Result:
    return CliRunner().invoke(cli, ["page", *words])


def first_line(result: Result) -> str:
    return result.stderr.splitlines()[0]


def test_without_an_environment_the_first_line_says_so(state: Path) -> None:
    result = call()
    assert first_line(result) == "error: no environment was left running"
    assert result.exit_code == 3
    assert "kaapana-harness up" in result.stderr


def test_an_unknown_environment_is_wrong_use_and_those_that_exist_are_listed(state: Path) -> None:
    leave(state, "aaaa1111")
    result = call("bbbb2222")
    assert first_line(result) == "error: there is no environment 'bbbb2222'"
    assert "aaaa1111  docker  kept" in result.stderr
    assert result.exit_code == 2


def test_one_of_several_environments_must_be_named(state: Path) -> None:
    leave(state, "aaaa1111")
    leave(state, "bbbb2222")
    result = call()
    assert first_line(result) == "error: 2 environments were left running: name one"
    assert result.exit_code == 2


def test_an_environment_of_a_process_is_not_taken_from_it(state: Path) -> None:
    leave(state, "aaaa1111", kept=False)
    result = call("aaaa1111")
    assert first_line(result) == "error: the environment aaaa1111 belongs to the process that made it"
    assert result.exit_code == 2


def test_an_environment_that_does_not_work_any_more_is_named(state: Path) -> None:
    ledger.record(
        state,
        dataclasses.replace(
            ledger.new_entry("aaaa1111", "docker"), kept=True, secrets=Credentials.random().as_mapping()
        ),
    )
    result = call()
    assert first_line(result) == "error: the environment aaaa1111 does not work any more"
    assert result.exit_code == 3


def test_an_environment_of_another_version_is_named(state: Path) -> None:
    leave(state, "aaaa1111")
    assert (
        first_line(call()) == "error: the environment aaaa1111 was left running by another version of kaapana-harness"
    )


@pytest.fixture
def process(state: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    leave(state, "fake0001")
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", _SERVED, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ, cwd=tmp_path
    ) as running:
        yield running
        running.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_ends_with_an_interrupt_and_leaves_the_environment_and_no_file(
    process: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    visitor = Visitor(address)
    assert visitor.enter().status_code == 200
    before = sorted(path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "state"))
    with visitor.events("/events") as events:
        assert next(events) == ("ready", "")
        process.send_signal(number)
        assert [kind for kind, _ in events if kind != "changed"] == []
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out == ""
    assert err.splitlines()[-2:] == ["detached", "the page has ended; the environment keeps running"]
    assert sorted(path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "state")) == before
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", urlsplit(address).port or 0), timeout=5)


def test_the_address_is_all_that_goes_to_standard_output(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    parts = urlsplit(process.stdout.readline().strip())
    assert (parts.scheme, parts.hostname, parts.path) == ("http", "127.0.0.1", "/")
    # 256 bits
    assert len(parts.query.removeprefix("token=")) >= 43
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert out == ""


def test_the_plugin_does_not_import_the_server_of_the_page() -> None:
    code = (
        "import sys, pytest, harness.plugin, harness.cli; print({'starlette', 'uvicorn', 'jinja2'} & set(sys.modules))"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=True)
    assert result.stdout == "set()\n"
