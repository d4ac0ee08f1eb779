"""Entries of the ledger whose owner has died are removed at the next start; all others stay."""

from __future__ import annotations

import dataclasses
import io
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from harness import engine
from harness.cluster import ledger
from harness.cluster.kind import leftovers as kind_leftovers
from harness.cluster.ledger import Entry
from harness.engine import leftovers
from harness.errors import EngineError, NotRemovedError
from harness.kube import KubeApi
from harness.kube.errors import Unavailable
from harness.platform import ownership
from harness.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("KAAPANA_HARNESS_STATE_DIR", str(tmp_path))
    return Settings()


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The environments that are removed from the engine, on which they have nothing."""
    names: list[str] = []
    monkeypatch.setattr(engine, "connect", io.StringIO)
    monkeypatch.setattr(leftovers, "remove", lambda _, name: names.append(name))
    monkeypatch.setattr(leftovers, "find", lambda _: {})
    monkeypatch.setattr(kind_leftovers, "find", lambda _: {})
    return names


@pytest.fixture
def dead_owner() -> Entry:
    """An entry of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = ledger._read_start(process.pid)
    assert started
    return Entry("dead", "docker", f"{process.pid}@{socket.gethostname()}", "2026-01-01T00:00:00+00:00", started)


def ids(settings: Settings) -> list[str]:
    return [entry.id for entry in ledger.read_entries(settings.state)]


def test_a_failed_start_is_removed_from_cluster_and_ledger(settings: Settings) -> None:
    seen: list[list[str]] = []

    def make() -> None:
        entry = ledger.new_entry("new", "docker")
        with ledger.record_while(settings.state, entry, lambda: seen.append(ids(settings))):
            seen.append(ids(settings))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make()
    # it is in the ledger before it is made, and until it is removed
    assert seen == [["new"], ["new"]]
    assert ids(settings) == []


def test_an_environment_that_cannot_be_removed_stays_in_the_ledger(settings: Settings) -> None:
    def refuse() -> None:
        raise NotRemovedError("the engine does not remove network 1")

    entry = ledger.new_entry("new", "docker")
    with pytest.raises(NotRemovedError), ledger.record_while(settings.state, entry, refuse):
        raise KeyboardInterrupt
    assert ids(settings) == ["new"]


def test_an_environment_whose_owner_died_is_removed_and_forgotten(
    settings: Settings, removed: list[str], dead_owner: Entry
) -> None:
    ledger.record(settings.state, dead_owner)
    assert ownership.tidy(settings.state) == ["dead"]
    assert removed == ["dead"]
    assert ids(settings) == []


def test_a_kept_environment_stays_although_its_owner_died(
    settings: Settings, removed: list[str], dead_owner: Entry
) -> None:
    ledger.record(settings.state, dataclasses.replace(dead_owner, kept=True))
    assert ownership.tidy(settings.state) == []
    assert removed == []
    assert ids(settings) == ["dead"]


def test_an_environment_of_a_living_owner_stays(settings: Settings, removed: list[str]) -> None:
    ledger.record(settings.state, ledger.new_entry("living", "docker"))
    assert ownership.tidy(settings.state) == []
    assert (removed, ids(settings)) == ([], ["living"])


def test_an_owner_on_another_host_counts_as_living(settings: Settings, removed: list[str], dead_owner: Entry) -> None:
    pid = dead_owner.owner.partition("@")[0]
    ledger.record(settings.state, dataclasses.replace(dead_owner, owner=f"{pid}@elsewhere"))
    assert ownership.tidy(settings.state) == []
    assert (removed, ids(settings)) == ([], ["dead"])


def test_a_process_that_got_the_number_of_a_dead_owner_is_not_the_owner(settings: Settings, removed: list[str]) -> None:
    mine = ledger.new_entry("earlier", "docker")
    ledger.record(settings.state, dataclasses.replace(mine, owner_start=mine.owner_start - 1))
    assert ownership.tidy(settings.state) == ["earlier"]
    assert (removed, ids(settings)) == (["earlier"], [])


def test_an_owner_that_is_a_zombie_counts_as_dead(settings: Settings, removed: list[str], dead_owner: Entry) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        ledger.record(settings.state, dataclasses.replace(dead_owner, owner=f"{pid}@{socket.gethostname()}"))
        assert ownership.tidy(settings.state) == ["dead"]
    finally:
        os.waitpid(pid, 0)


def test_the_control_plane_is_asked_first_and_its_absence_does_not_matter(
    settings: Settings, removed: list[str], dead_owner: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def away(self: KubeApi, *words: object, **_: object) -> None:
        asked.append((*words, list(removed)))
        raise Unavailable(0, "", "connection refused")

    monkeypatch.setattr(KubeApi, "request", away)
    ledger.record(settings.state, dataclasses.replace(dead_owner, url="http://127.0.0.1:9", token="t"))
    assert ownership.tidy(settings.state) == ["dead"]
    assert asked == [("POST", "/harness/shutdown", [])]
    assert removed == ["dead"]


def test_a_leftover_that_the_engine_keeps_stays_in_the_ledger_and_does_not_stop_the_start(
    settings: Settings,
    removed: list[str],
    dead_owner: Entry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def remove(_: object, name: str) -> None:
        if name == "dead":
            raise NotRemovedError("the engine does not remove network 1")
        removed.append(name)

    ledger.record(settings.state, dead_owner)
    ledger.record(settings.state, dataclasses.replace(dead_owner, id="other"))
    monkeypatch.setattr(leftovers, "remove", remove)
    assert ownership.tidy(settings.state) == ["other"]
    assert ids(settings) == ["dead"]
    assert "of environment dead: the engine does not remove network 1" in caplog.text


def test_an_engine_that_does_not_answer_is_an_error(
    settings: Settings, removed: list[str], dead_owner: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise EngineError("no engine")

    ledger.record(settings.state, dead_owner)
    monkeypatch.setattr(engine, "connect", refuse)
    with pytest.raises(EngineError, match="no engine"):
        ownership.tidy(settings.state)
    assert ids(settings) == ["dead"]


@pytest.mark.parametrize(("module", "found"), [(leftovers, leftovers.Leftover), (kind_leftovers, kind_leftovers.Found)])
def test_a_failed_removal_of_unrecorded_parts_does_not_stop_the_others(
    module: Any, found: Any, settings: Settings, removed: list[str], dead_owner: Entry,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def remove(*arguments: object) -> None:
        if arguments[-1] == "stuck":
            raise NotRemovedError("the engine does not remove network 1")
        removed.append(str(arguments[-1]))

    monkeypatch.setattr(kind_leftovers, "find", lambda _: {})
    monkeypatch.setattr(
        module, "find", lambda _: {name: found(name, owner=dead_owner.owner) for name in ("stuck", "other")}
    )
    monkeypatch.setattr(module, "remove", remove)
    monkeypatch.setattr(ledger, "is_owner_alive", lambda *_: False)
    assert ownership.prune(settings.state) == ["other"]
    assert removed == ["other"]
    assert "of environment stuck: the engine does not remove network 1" in caplog.text


def test_a_kept_environment_that_does_not_answer_and_cannot_be_removed_does_not_keep_the_others(
    settings: Settings, dead_owner: Entry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def remove(_: object, name: str) -> None:
        if name == "stuck":
            raise NotRemovedError("the engine does not remove network 1")

    for name in ("stuck", "other"):
        ledger.record(settings.state, dataclasses.replace(dead_owner, id=name, kept=True))
    monkeypatch.setattr(leftovers, "find", lambda _: {})
    monkeypatch.setattr(kind_leftovers, "find", lambda _: {})
    monkeypatch.setattr(leftovers, "remove", remove)
    assert ownership.prune(settings.state) == ["other"]
    assert ids(settings) == ["stuck"]
    assert "of environment stuck" in caplog.text


def test_a_network_that_the_engine_keeps_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(network: str) -> None:
        answer = SimpleNamespace(status_code=403)
        raise docker.errors.APIError("403", response=answer, explanation=f"{network} has active endpoints")

    found = {"stuck": leftovers.Leftover("stuck", networks=["abc"])}
    monkeypatch.setattr(leftovers, "find", lambda *_: found)
    monkeypatch.setattr(leftovers, "remove_container", lambda *_: None)
    monkeypatch.setattr(leftovers, "_ENDPOINTS_S", 0)
    api = SimpleNamespace(images=list, remove_network=refuse, inspect_network=lambda network: {"Containers": {}})
    client = SimpleNamespace(api=api)
    with pytest.raises(NotRemovedError, match="network abc") as caught:
        leftovers.remove(client, "stuck")  # type: ignore[arg-type]
    assert caught.value.last_seen == "abc has active endpoints"
