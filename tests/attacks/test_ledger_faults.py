"""The ledger survives concurrent writers, SIGKILL at any moment, and foreign files in its place."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import engine
from harness.cli import verbs
from harness.cluster import ledger, ledger_file
from harness.cluster.kind import leftovers as kind_leftovers
from harness.engine import leftovers
from harness.errors import PlatformError
from harness.platform import pruning
from harness.settings import Settings
from tests.attacks.examples import EXAMPLES

SECRET = "s3cret-of-the-environment"
_ROOT = Path(__file__).parents[2]
_FIELDS = ("url", "token", "kubeconfig", "key")
_hostile = settings(EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])

_WRITER = """
import sys
from harness.cluster import ledger
from harness.settings import Settings
known = Settings()
for line in sys.stdin:
    verb, name, *change = line.split()
    try:
        if verb == "forget":
            ledger.forget(known.state, name)
        else:
            ledger.update(known.state, name, **{change[0]: change[1]})
    except KeyError:
        pass
    print("done", flush=True)
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The ledger's folder, which has nothing else."""
    folder = tmp_path / "state"
    folder.mkdir()
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(folder))
    return folder


@pytest.fixture
def writers(state: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Four processes that do to the ledger what their standard input says."""
    made = [_python(_WRITER) for _ in range(4)]
    yield made
    for process in made:
        process.kill()
        process.communicate()


def _python(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, sys.path)])},
    )


def _send(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _wait(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"


def _entry(name: str, **fields: str) -> ledger.Entry:
    return dataclasses.replace(ledger.new_entry(name, "docker", **fields), secrets={"password": SECRET})


def _old(state: Path, name: str, text: str | None = None) -> Path:
    """The file that older versions wrote for an entry."""
    path = state / ledger_file.OLD_FOLDER / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(dataclasses.asdict(_entry(name)), indent=1) if text is None else text)
    return path


def _set_aside(state: Path) -> list[Path]:
    return sorted(path for path in state.iterdir() if "set-aside" in path.name)


def _names(state: Path) -> set[str]:
    return {path.name for path in state.iterdir()}


def test_four_writers_at_once_lose_no_update(state: Path, writers: list[subprocess.Popen[str]]) -> None:
    ledger.record(Settings().state, _entry("shared"))
    for number in range(15):
        for process, field in zip(writers, _FIELDS, strict=True):
            _send(process, f"update shared {field} {field}-{number}")
        for process in writers:
            _wait(process)
        found = ledger.find(Settings().state, "shared")
        assert found is not None
        assert [getattr(found, field) for field in _FIELDS] == [f"{field}-{number}" for field in _FIELDS]


def test_an_entry_that_is_forgotten_while_others_change_it_stays_forgotten(
    state: Path, writers: list[subprocess.Popen[str]]
) -> None:
    for number in range(300):
        ledger.record(Settings().state, _entry(f"e{number}"))
        first, second = writers[number % 2 :: 2]
        _send(first, f"update e{number} url http://127.0.0.1:1")
        _send(second, f"forget e{number}")
        _wait(first)
        _wait(second)
    assert ledger.read_entries(Settings().state) == []


def test_threads_of_one_process_lose_no_update(state: Path) -> None:
    ours = Settings().state
    ledger.record(ours, _entry("shared"))
    with ThreadPoolExecutor(4) as pool:
        for number in range(15):
            list(pool.map(lambda field, n=number: ledger.update(ours, "shared", **{field: f"{n}"}), _FIELDS))
            found = ledger.find(Settings().state, "shared")
            assert found is not None
            assert [getattr(found, field) for field in _FIELDS] == [str(number)] * 4


_ENDLESS = """
import itertools, sys
from harness.cluster import ledger
from harness.settings import Settings
known = Settings()
for number in itertools.count():
    ledger.record(known.state, ledger.new_entry("victim", "docker", token=sys.argv[1] + str(number)))
    ledger.update(known.state, "victim", url="http://127.0.0.1:1", secrets={"password": sys.argv[1]})
    ledger.forget(known.state, "victim")
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(12))
def test_a_writer_that_is_killed_at_any_moment_leaves_whole_entries_and_no_file_with_secrets(
    state: Path, seed: int
) -> None:
    ledger.record(Settings().state, _entry("other", url="http://127.0.0.1:2"))
    process = _python(_ENDLESS, "k1lled-")
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        # the moment of the kill, not something that is waited for
        process.wait(random.Random(seed).uniform(0, 0.15))
    process.send_signal(signal.SIGKILL)
    process.communicate()

    found = {entry.id: entry for entry in ledger.read_entries(Settings().state)}
    assert found.pop("other").secrets == {"password": SECRET}
    for entry in found.values():
        assert entry.id == "victim"
        assert entry.token.startswith("k1lled-")
    ledger.forget(Settings().state, "victim")
    assert _names(state) == {"ledger.sqlite", "ledger.lock"}
    assert b"k1lled-" not in (state / "ledger.sqlite").read_bytes()


def test_a_change_that_was_not_completed_is_rolled_back(state: Path) -> None:
    ledger.record(Settings().state, _entry("mine"))
    process = _python(
        "import os, signal; from harness.cluster import ledger, ledger_file; from harness.settings import Settings\n"
        "with ledger_file.transaction(Settings().state, print) as table:\n"
        "    table._connection.execute('PRAGMA cache_size = 1')\n"
        "    for n in range(200): table.write(f'k{n}', 'k1lled-' * 300)\n"
        "    table.remove('mine')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    # the pages that were changed are in the file already, and the journal has what they were
    assert "ledger.sqlite-journal" in _names(state)
    assert [entry.id for entry in ledger.read_entries(Settings().state)] == ["mine"]
    assert _names(state) == {"ledger.sqlite", "ledger.lock"}
    assert b"k1lled-" not in (state / "ledger.sqlite").read_bytes()


def test_an_incomplete_journal_of_a_killed_writer_is_removed_by_the_next_command(state: Path) -> None:
    ledger.record(Settings().state, _entry("mine"))
    (state / "ledger.sqlite-journal").write_bytes(bytes(512) + SECRET.encode() * 40)
    assert [entry.id for entry in ledger.read_entries(Settings().state)] == ["mine"]
    assert _names(state) == {"ledger.sqlite", "ledger.lock"}


def test_secrets_of_a_forgotten_environment_are_in_no_file(state: Path) -> None:
    for name in ("a", "b", "c"):
        ledger.record(Settings().state, _entry(name))
    assert SECRET.encode() in (state / "ledger.sqlite").read_bytes()
    for name in ("a", "b", "c"):
        ledger.forget(Settings().state, name)
    assert [path for path in state.iterdir() if SECRET.encode() in path.read_bytes()] == []


def test_the_ledger_becomes_private_again_after_its_mode_was_changed(state: Path) -> None:
    ledger.record(Settings().state, _entry("mine"))
    path = state / "ledger.sqlite"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    ledger.read_entries(Settings().state)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_files_of_an_older_version_are_taken_over_once_and_removed(state: Path) -> None:
    _old(state, "first")
    _old(state, "second")
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    (state / "environments" / f"second.{ended.pid}.partial").write_text(SECRET)
    assert {entry.id for entry in ledger.read_entries(Settings().state)} == {"first", "second"}
    assert not (state / "environments").exists()
    ledger.forget(Settings().state, "first")
    assert [entry.id for entry in ledger.read_entries(Settings().state)] == ["second"]
    assert _names(state) == {"ledger.sqlite", "ledger.lock"}


def test_a_file_that_an_older_version_is_just_writing_is_left_to_it(state: Path) -> None:
    partial = _old(state, "first").with_name(f"first.{os.getpid()}.partial")
    partial.write_text("{")
    assert [entry.id for entry in ledger.read_entries(Settings().state)] == ["first"]
    assert partial.exists()


def test_another_folder_s_ledger_is_read_but_not_changed(state: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    _old(other, "old")
    assert ledger.find_in(other, "absent") is None
    found = ledger.find_in(other, "old")
    assert found is not None
    assert found.secrets == {"password": SECRET}
    assert _names(other) == {"environments"}
    (other / "ledger.sqlite").write_bytes(b"not a database, and longer than its header is" * 9)
    with pytest.raises(PlatformError, match="cannot be read"):
        ledger.find_in(other, "old")
    assert _names(other) == {"environments", "ledger.sqlite"}


def _database(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


_IN_THE_WAY: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("not a database" * 100),
    "zeros": lambda path: path.write_bytes(bytes(8192)),
    "only a header": lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(84)),
    "a database of another program": lambda path: _database(path, "CREATE TABLE bookmarks (url TEXT)"),
    "a table of the same name": lambda path: _database(path, "CREATE TABLE environments (name TEXT, age INT)"),
    "a later version": lambda path: _database(
        path, "CREATE TABLE environments (id TEXT, entry TEXT)", "PRAGMA user_version = 99"
    ),
    "a write-ahead log": lambda path: _database(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)"),
    "a folder": lambda path: path.mkdir(),
    "a FIFO": lambda path: os.mkfifo(path),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine on which nothing is, and which has nothing to prune."""

    class Client:
        def close(self) -> None: ...

    monkeypatch.setattr(engine, "connect", Client)
    monkeypatch.setattr(leftovers, "remove", lambda *_: None)
    monkeypatch.setattr(leftovers, "find", lambda _: {})
    monkeypatch.setattr(kind_leftovers, "find", lambda _: {})
    monkeypatch.setattr(pruning, "prune_images", lambda *_, **__: [])
    monkeypatch.setattr(pruning, "prune_contents", lambda *_, **__: [])


def _verbs_go_on() -> None:
    """``status``, ``down`` and ``prune`` end well."""
    for verb in ("status", "down", "prune"):
        result = CliRunner().invoke(verbs.cli, [verb])
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("kind", _IN_THE_WAY)
def test_a_file_that_is_not_a_ledger_is_set_aside_by_name_and_all_verbs_go_on(
    state: Path, kind: str, no_engine: None, caplog: pytest.LogCaptureFixture
) -> None:
    path = state / "ledger.sqlite"
    _IN_THE_WAY[kind](path)
    before = os.lstat(path).st_ino
    _verbs_go_on()
    ledger.record(Settings().state, _entry("new"))
    assert [entry.id for entry in ledger.read_entries(Settings().state)] == ["new"]
    [aside] = [item for item in _set_aside(state) if item.suffix == ".sqlite"]
    assert os.lstat(aside).st_ino == before
    assert aside.name in caplog.text


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "[" * 100_000, '{"id": 1}', '{"id": "x"', "\ufeff{}"])
def test_an_entry_of_an_older_version_that_is_broken_is_set_aside_by_name_and_the_others_stay(
    state: Path, text: str, no_engine: None
) -> None:
    _old(state, "good")
    _old(state, "x", text)
    _verbs_go_on()
    assert [entry.id for entry in ledger.read_entries(Settings().state)] == ["good"]
    [aside] = _set_aside(state)
    assert "set-aside-x" in aside.name
    assert aside.read_text() == text


def test_folders_and_devices_among_the_files_of_an_older_version_are_set_aside(state: Path) -> None:
    _old(state, "good")
    (state / "environments" / "folder.json").mkdir()
    os.mkfifo(state / "environments" / "fifo.json")
    assert [entry.id for entry in ledger.read_entries(Settings().state)] == ["good"]
    assert len(_set_aside(state)) == 2


def test_one_broken_entry_of_the_ledger_is_set_aside_and_the_others_stay(state: Path) -> None:
    ledger.record(Settings().state, _entry("good"))
    ledger.record(Settings().state, _entry("bad"))
    connection = sqlite3.connect(state / "ledger.sqlite")
    connection.execute("UPDATE environments SET entry = '' WHERE id = 'bad'")
    connection.commit()
    connection.close()
    assert [entry.id for entry in ledger.read_entries(Settings().state)] == ["good"]
    [aside] = _set_aside(state)
    assert "bad" in aside.name
    with pytest.raises(KeyError):
        ledger.update(Settings().state, "bad", kept=True)


def test_a_ledger_that_was_cut_or_overwritten_never_stops_the_next_command(state: Path) -> None:
    for number in range(20):
        ledger.record(Settings().state, _entry(f"e{number}"))
    path = state / "ledger.sqlite"
    whole = path.read_bytes()
    chance = random.Random(14)
    for number in range(60):
        at = chance.randrange(len(whole))
        damaged = whole[:at] if number % 2 else whole[:at] + chance.randbytes(64) + whole[at + 64 :]
        path.write_bytes(damaged)
        kept = {entry.id for entry in ledger.read_entries(Settings().state)}
        assert kept <= {f"e{number}" for number in range(20)}
        ledger.record(Settings().state, _entry("next"))
        assert "next" in {entry.id for entry in ledger.read_entries(Settings().state)}
        if kept != {f"e{number}" for number in range(20)} and at:
            assert _set_aside(state), f"what was cut at {at} has gone"
        for aside in _set_aside(state):
            aside.unlink()


def _entry_like() -> st.SearchStrategy[Any]:
    """JSON documents that resemble an entry, with values of any type."""
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    )
    good = dataclasses.asdict(_entry("x"))
    return st.fixed_dictionaries({}, optional={name: st.just(value) | values for name, value in good.items()})


@_hostile
@given(document=_entry_like() | st.text() | st.binary())
def test_no_content_of_an_older_version_s_file_stops_the_next_command(
    state: Path, no_engine: None, document: Any
) -> None:
    path = _old(state, "x", "")
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    for entry in ledger.read_entries(Settings().state):
        assert str(entry)
        ledger.is_alive(entry)
        ledger.forget(Settings().state, entry.id)
    assert not path.exists()


def test_a_folder_that_cannot_be_used_is_named_with_the_setting_that_chooses_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path))
    (tmp_path / "ledger.lock").mkdir()
    with pytest.raises(PlatformError, match="cannot be used") as caught:
        ledger.read_entries(Settings().state)
    assert "KAAPANA_HARNESS_STATE_DIR" in caught.value.fix
