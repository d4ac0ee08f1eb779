"""Measure the time between the containers of a DAG, and how many run at the same time."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.common import STEPS
from benchmarks.figures import Figure, own_state
from benchmarks.replay import bare_runs
from harness.api import Kaapana
from harness.settings import Settings

_CHAIN, _WIDE = 8, 20
# as long as starting all of them may take
_WAIT_S = 30


def chain(folder: Path, rounds: int) -> list[Figure]:
    """Eight operators one after the other, against bare ``docker run --rm`` of the same containers."""
    walls, bare, overheads = [], [], []
    with own_state(folder), Kaapana.open(Settings.load(), evidence=folder / "evidence") as kaapana:
        extension = kaapana.install(STEPS)
        extension.run(dag="bench-chain")
        for number in range(rounds):
            run = extension.run(dag="bench-chain")
            assert run.succeeded
            seconds = bare_runs(kaapana.environment, kaapana.project.namespace, run.run_id, folder / f"chain-{number}")
            walls.append(run.seconds)
            bare.append(seconds)
            overheads.append((run.seconds - seconds) / _CHAIN)
    return [
        Figure("run of 8 operators in a row, trigger to end", walls, "s", ""),
        Figure("their containers by docker run --rm, in order", bare, "s", ""),
        Figure("what the harness adds to each of them", overheads, "s", "<= 0.35 s"),
    ]


def wide(folder: Path, rounds: int) -> list[Figure]:
    """Twenty operators that wait for nothing: how many of their containers run at the same moment."""
    reached, walls = [], []
    with own_state(folder), Kaapana.open(Settings.load(), evidence=folder / "evidence") as kaapana:
        extension = kaapana.install(STEPS)
        for _ in range(rounds):
            run = extension.run(dag="bench-wide", form={"wait_s": _WAIT_S})
            assert run.succeeded
            records = kaapana.environment.airflow.run("bench-wide", run.run_id)["tasks"]
            reached.append(float(_at_once(record["outcome"] for record in records)))
            walls.append(run.seconds)
    return [
        Figure(f"containers at once, of {_WIDE} tasks", reached, "", f"{_WIDE}"),
        Figure(f"run of {_WIDE} tasks that wait {_WAIT_S} s each", walls, "s", ""),
    ]


def _at_once(outcomes: Iterable[dict[str, Any]]) -> int:
    """The most containers that ran at one moment."""
    changes: list[tuple[datetime.datetime, int]] = []
    for outcome in outcomes:
        changes.append((datetime.datetime.fromisoformat(outcome["started"].replace("Z", "+00:00")), 1))
        changes.append((datetime.datetime.fromisoformat(outcome["finished"].replace("Z", "+00:00")), -1))
    count = most = 0
    for _, change in sorted(changes):
        count += change
        most = max(most, count)
    return most
