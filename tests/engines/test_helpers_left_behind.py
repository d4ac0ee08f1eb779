"""Containers of no environment, which the harness needs for a moment, go at the next start if their owner is killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import docker.errors
import pytest
import requests

from harness.cluster import ledger
from harness.engine import connect, leftovers, unstarted
from harness.platform import ownership
from harness.settings import Settings

_TRIAL = """
import sys, time
from harness.engine import trial
def wait(*arguments):
    print("here", flush=True)
    time.sleep(600)
trial._check_push = wait
trial.try_engine(sys.argv[1])
"""
_READER = """
import sys, time
from harness import engine
from harness.engine import unstarted
with unstarted.container(sys.argv[1], engine.connect_api()):
    print("here", flush=True)
    time.sleep(600)
"""


def _find(environment: str) -> leftovers.Leftover | None:
    with contextlib.closing(connect()) as client:
        return leftovers.find(client, environment).get(environment)


@pytest.mark.parametrize(
    ("program", "containers", "networks"), [(_TRIAL, 2, 2), (_READER, 1, 0)], ids=["the trial", "a reader of files"]
)
def test_the_next_start_removes_what_a_killed_process_has_left(
    program: str, containers: int, networks: int, services_image: str, settings: Settings
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", program, services_image],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.kill()
    [entry] = ledger.read_entries(settings.state)
    assert "no cluster  left behind" in str(entry)
    left = _find(entry.id)
    assert left is not None
    assert (len(left.containers), len(left.networks)) == (containers, networks)

    assert ownership.tidy(settings.state) == [entry.id]
    assert _find(entry.id) is None
    assert ledger.read_entries(settings.state) == []


def test_what_the_engine_did_not_remove_stays_in_the_ledger_for_the_next_start(
    services_image: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise docker.errors.APIError("gone")

    with contextlib.closing(connect()) as client:
        with monkeypatch.context() as broken:
            broken.setattr(leftovers, "remove_container", refuse)
            with pytest.raises(ZeroDivisionError), unstarted.container(services_image, client.api):
                raise ZeroDivisionError
        [entry] = ledger.read_entries(settings.state)
        assert _find(entry.id) is not None
        leftovers.remove(client, entry.id)


def test_nothing_stays_in_the_ledger_of_a_block_that_ends(services_image: str, settings: Settings) -> None:
    with contextlib.closing(connect()) as client:
        with unstarted.container(services_image, client.api) as name:
            [entry] = ledger.read_entries(settings.state)
            assert client.api.inspect_container(name)["State"]["Status"] == "created"
        with pytest.raises((docker.errors.NotFound, requests.RequestException)):
            client.api.inspect_container(name)
    assert ledger.read_entries(settings.state) == []
    assert entry.cluster == ""
