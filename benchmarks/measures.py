"""The measurements, one function each."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import archives, dags, kind, programs, reports
from benchmarks.common import ALGORITHM, EXTENSION, harness, memory_mb, timed_run
from benchmarks.figures import Figure, own_state
from benchmarks.replay import bare_runs
from harness.api import Kaapana
from harness.data import brain_mr
from harness.platform.environment import Environment
from harness.settings import Settings


def plugin_import(folder: Path, rounds: int) -> list[Figure]:
    """What the plugin adds to the start of every pytest, beyond pytest itself."""
    del folder
    command = [sys.executable, "-X", "importtime", "-c", "import pytest, harness.plugin"]
    values = []
    for _ in range(3 * rounds):
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        found = re.search(r"\|\s+(\d+) \| harness\.plugin$", said, re.MULTILINE)
        assert found, said
        # the package itself is counted below it
        values.append(int(found[1]) / 1000)
    return [Figure("import of the pytest plugin", values, "ms", "<= 10 ms")]


def environment(folder: Path, rounds: int) -> list[Figure]:
    """Start with images present, memory when idle, adoption, removal."""
    starts, adoptions, removals, memory = [], [], [], []
    with own_state(folder):
        settings = Settings.load({"reuse": True})
        for _ in range(rounds):
            clock = time.monotonic()
            kept = Environment.up(settings)
            starts.append(time.monotonic() - clock)
            kept.down(keep=True)
            clock = time.monotonic()
            adopted = Environment.up(settings)
            adoptions.append(time.monotonic() - clock)
            assert adopted.id == kept.id, "it was not adopted"
            memory.append(memory_mb(f"kaapana-harness.environment={adopted.id}"))
            clock = time.monotonic()
            adopted.down()
            removals.append(time.monotonic() - clock)
    return [
        Figure("environment start, images present", starts, "s", "<= 8 s"),
        Figure("environment adopted", adoptions, "s", "<= 2 s"),
        Figure("environment removed", removals, "s", ""),
        Figure("memory of the idle environment", memory, "MB", "<= 1000 MB"),
    ]


def warm_run(folder: Path, rounds: int) -> list[Figure]:
    """The shell command from start to exit in a kept environment: unchanged, and after an edit of one line."""
    series = brain_mr(Settings.load().cache).path
    copy = Path(shutil.copytree(EXTENSION, folder / "edited"))
    unchanged, edited = [], []
    with own_state(folder):
        Environment.up(Settings.load({"reuse": True})).down(keep=True)
        try:
            timed_run(copy, series, folder / "first")
            for number in range(rounds):
                unchanged.append(timed_run(copy, series, folder / f"unchanged-{number}"))
            for number in range(rounds):
                source = copy / ALGORITHM
                source.write_text(source.read_text("utf-8") + f"\n# edit {number} at {time.time()}\n", "utf-8")
                edited.append(timed_run(copy, series, folder / f"edited-{number}"))
        finally:
            subprocess.run([harness(), "down"], check=True, capture_output=True)
    return [
        Figure("otsus-method, environment kept, nothing changed", unchanged, "s", "<= 12 s"),
        Figure("otsus-method, one line of the algorithm changed, to the verdict", edited, "s", "<= 15 s"),
    ]


def orchestration(folder: Path, rounds: int) -> list[Figure]:
    """The run against bare ``docker run --rm`` of the same containers with the same mounts, one after the other."""
    walls, bare, ratios = [], [], []
    series = brain_mr(Settings.load().cache)
    with own_state(folder), Kaapana.open(Settings.load(), evidence=folder / "evidence") as kaapana:
        extension = kaapana.install(EXTENSION)
        extension.run(dataset=series)
        for number in range(rounds):
            run = extension.run(dataset=series)
            assert run.succeeded
            seconds = bare_runs(kaapana.environment, kaapana.project.namespace, run.run_id, folder / f"bare-{number}")
            walls.append(run.seconds)
            bare.append(seconds)
            ratios.append(run.seconds / seconds)
    return [
        Figure("run of otsus-method, trigger to end", walls, "s", ""),
        Figure("its containers by docker run --rm, in order", bare, "s", ""),
        Figure("ratio of the two", ratios, "", "<= 1.3"),
    ]


ALL: dict[str, Callable[[Path, int], list[Figure]]] = {
    "plugin-import": plugin_import,
    "environment": environment,
    "warm-run": warm_run,
    "orchestration": orchestration,
    "chain": dags.chain,
    "wide": dags.wide,
    "programs": programs.programs,
    "report": reports.report,
    "archive-install": archives.install,
    "archive-large": archives.large,
    "kind-start": kind.start,
    "kind-warm-run": kind.warm_run,
    "kind-pod": kind.pod,
    "kind-many-runs": kind.many_runs,
}
