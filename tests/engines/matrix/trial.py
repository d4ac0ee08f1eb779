"""The stages on the engine of a row; each result is kept, so a later call can continue."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.common import harness
from harness.doctor.builder import find_builder
from harness.doctor.facts import EngineFacts
from harness.errors import HarnessError, NotRemovedError, PlatformError
from tests.engines.matrix import compiled, engine, keeper, machine, namespace, outcome, rootfs
from tests.engines.matrix.engine import Places
from tests.engines.matrix.namespace import Namespace, signal_inside
from tests.engines.matrix.outcome import Outcome, Suite
from tests.engines.matrix.rows import Row
from tests.engines.matrix.traces import remove

# what is beside it is about other clusters
CONFORMANCE = ("tests/cluster", "--ignore=tests/cluster/kind", "--ignore=tests/cluster/context")
SCENARIO = "scenarios/otsus-method"
KIND = ("tests/cluster/test_images.py", SCENARIO, "--kaapana-cluster", "kind")
_IMAGES_S, _NODE_IMAGE_S, _SUITE_S, _TIMING_S = 1800.0, 3600.0, 3600.0, 1800.0
_TEST_S = 600

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes:
        work: folder of everything that is made.
        report: folder of the logs, which stays.
        resume: what is made stays, and what an earlier call has got through is not done again.
        conformance_only: neither the scenario nor times.
        tests: what of the conformance suite is run.
    """

    work: Path
    report: Path
    resume: bool = False
    conformance_only: bool = False
    tests: tuple[str, ...] = CONFORMANCE

    @property
    def images(self) -> tuple[str, ...]:
        """The images that are loaded; none are all."""
        return ("services", "registry", "base-installer") if self.conformance_only else ()

    @property
    def archive(self) -> Path:
        """The saved images."""
        return self.work / ("some-images.tar" if self.images else "images.tar")

    def places(self, row: Row) -> Places:
        """Return the folders of a row."""
        return Places(self.work / "rows" / row.name, self.report / row.name, self.work / "shared")


def run_row(row: Row, plan: Plan, say: Say) -> Outcome:
    """Set a row's engine up, run the suites on it, and remove it."""
    places = plan.places(row)
    for folder in (places.folder, places.logs):
        folder.mkdir(parents=True, exist_ok=True)
    kept = places.folder / "outcome.json"
    result = outcome.read_outcome(kept) if plan.resume and kept.is_file() else Outcome(row.name)
    result.verdict, result.reason = outcome.MISSING, ""
    number = secrets.token_hex(4)
    record = keeper.ledger(plan.work) / f"{row.name}.json"
    try:
        root = rootfs.root_of(plan.work, row)
        say(f"root file system of {row.suite}")
        rootfs.make_root(root, row, machine.mirror(), places.logs / "root.log")
        if row.module:
            say(f"daemon of {row.module}")
            compiled.add_programs(root, row, places.logs / "daemon.log")
        link, traces = namespace.plan(number)
        traces.containers = [str(places.data / "containers")]
        traces.folders = [str(places.shared)] if plan.resume else [str(places.data), str(places.shared)]
        traces.write(record)
        try:
            with (
                namespace.opened(link, traces, record) as inside,
                engine.running(row, root, places, inside) as found,
            ):
                _note(found, places.environ(), result)
                if row.module:
                    result.engine += f" ({row.module.rpartition('@')[2]})"
                say(f"{result.engine}, {result.store}, API {result.api}")
                _Trial(row, plan, places, inside, result, lambda: result.write(kept), say).run()
        finally:
            if problems := remove(record):
                raise NotRemovedError(problems[0], last_seen="\n".join(problems[1:]))
    except HarnessError as error:
        result.reason = error.cause
        say(str(error))
    result.write(kept)
    return result


def _note(found: EngineFacts, environ: Mapping[str, str], result: Outcome) -> None:
    result.engine = f"{found.product} {found.version}"
    result.api = f"{found.minimum} to {found.api}"
    if found.inside:
        result.store = found.inside.driver + (" of containerd" if found.inside.containerd else "")
    result.builder = "BuildKit" if find_builder(environ).buildkit else "legacy"


class _StageError(Exception):
    """A stage has come out badly; the text is its first line."""


@dataclasses.dataclass
class _Trial:
    row: Row
    plan: Plan
    places: Places
    inside: Namespace
    result: Outcome
    keep: Callable[[], None]
    say: Say

    def run(self) -> None:
        """Go through the stages that are not done yet; one that fails does not stop the others."""
        stages = [self._refusal] if self.row.refusal else [self._load, self._conformance]
        if not self.row.refusal and not self.plan.conformance_only:
            # what builds from nothing is timed before anything else has built a part of it
            stages[1:1] = [self._scenario, self._save, self._times]
            if self.row.kind:
                stages.append(self._kind)
        failures = []
        for stage in stages:
            try:
                stage()
            except _StageError as failure:
                failures.append(str(failure))
                self.say(str(failure))
            self.keep()
        if failures:
            self.result.verdict, self.result.reason = outcome.FAILED, "; ".join(failures)
        elif not self.row.refusal:
            self.result.verdict = outcome.PASSED
            if not self.result.engine.partition(" ")[2].startswith(self.row.version):
                self.result.reason = f"{self.row.suite} has another version than {self.row.version}"
        self.keep()

    def _refusal(self) -> None:
        log = self.places.logs / "refusal.log"
        status = self._call([harness(), "up"], log, _IMAGES_S)
        first = next(iter(log.read_text("utf-8", "replace").splitlines()), "")
        if status != PlatformError.exit_status or self.row.refusal not in first:
            raise _StageError(f"exit status {status} in place of a refusal: {first}")
        self.result.verdict, self.result.reason = outcome.REFUSED, first

    def _load(self) -> None:
        if self.row.images == "build" or self.result.images:
            return
        if not self.plan.archive.is_file():
            self.say("images of this machine's engine")
            self._archive("save", os.environ)
        self.say("loading images")
        clock = time.monotonic()
        how = self._archive("load", self.places.environ())
        if not self.plan.images:
            self.result.images = f"{how}, {time.monotonic() - clock:.0f} s"

    def _save(self) -> None:
        """Keep what was built here for the rows that load."""
        if self.row.images == "build" and not self.plan.archive.is_file():
            self._archive("save", self.places.environ())

    def _archive(self, what: str, environ: Mapping[str, str]) -> str:
        """Save images of the engine that the variables name, or load them into it; return the last line of the output.

        The engine's socket is reached from here.
        """
        log = self.places.logs / f"{what}.log"
        words = [sys.executable, "-m", "tests.engines.matrix.archive", what, str(self.plan.archive), *self.plan.images]
        with log.open("wb") as output:
            done = subprocess.run(
                words, env=dict(environ), stdout=output, stderr=output, timeout=_IMAGES_S, check=False
            )
        lines = log.read_text("utf-8", "replace").splitlines() or [f"exit status {done.returncode}"]
        if done.returncode:
            raise PlatformError(f"images: {lines[-1]}", last_seen="\n".join(lines[-10:]), evidence=str(log))
        return lines[-1]

    def _conformance(self) -> None:
        done = self.result.conformance
        if done is None or not done.passed or not done.whole:
            self.say("conformance")
            whole = self.plan.tests == CONFORMANCE
            done = dataclasses.replace(self._pytest("conformance", self.plan.tests), whole=whole)
            self.result.conformance = done
        self._judge("conformance", done)

    def _scenario(self) -> None:
        if self.result.scenario is None or not self.result.scenario.passed:
            self.say("scenario")
            clock = time.monotonic()
            self.result.scenario = self._pytest("scenario", (SCENARIO,))
            self.result.cold = time.monotonic() - clock
            if self.row.images == "build":
                self.result.images = "built"
        self._judge("scenario", self.result.scenario)

    def _kind(self) -> None:
        if self.result.kind is None or not self.result.kind.passed:
            self.say("kind: the node image, otsus-method")
            log = self.places.logs / "node-image.log"
            if status := self._call([harness(), "images", "kind-node"], log, _NODE_IMAGE_S):
                raise _StageError(f"kind: exit status {status} of the node image; see {log}")
            self.result.kind = self._pytest("kind", KIND, KAAPANA_TEST_CLUSTERS="kind")
        self._judge("kind", self.result.kind)

    def _judge(self, name: str, suite: Suite) -> None:
        if suite.passed:
            self.say(f"{name}: {suite}")
        else:
            raise _StageError(f"{name}: {suite}; see {self.places.logs / f'{name}.log'}")

    def _pytest(self, name: str, what: Sequence[str], **variables: str) -> Suite:
        report = self.places.logs / f"{name}.xml"
        report.unlink(missing_ok=True)
        # where a test that does not end stands, is in the log
        options = ["-v", "-p", "no:cacheprovider", "-o", f"faulthandler_timeout={_TEST_S}", "--junitxml", str(report)]
        options += ["--basetemp", str(self.places.shared / "t")]
        command = [sys.executable, "-m", "pytest", *options, *what]
        self._call(command, self.places.logs / f"{name}.log", _SUITE_S, **variables)
        return outcome.read_suite(report)

    def _times(self) -> None:
        if self.result.warm is not None or self.result.scenario is None or not self.result.scenario.passed:
            return
        self.say("warm run, edit to verdict")
        figures, log = self.places.folder / "timing.json", self.places.logs / "timing.log"
        if self._call([sys.executable, "-m", "tests.engines.matrix.timing", str(figures)], log, _TIMING_S):
            lines = log.read_text("utf-8", "replace").splitlines() or [""]
            raise _StageError(f"warm run: {lines[-1]}; see {log}")
        measured = json.loads(figures.read_text("utf-8"))
        self.result.warm, self.result.edit = measured["warm"], measured["edit"]

    def _call(self, words: Sequence[str], log: Path, timeout_s: float, **variables: str) -> int:
        """Run a command as the engine's user; its exit status."""
        with log.open("wb") as output:
            process = self.inside.start(words, {**self.places.environ(), **variables}, output)
            try:
                return process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                signal_inside(process, signal.SIGKILL)
                raise _StageError(f"{' '.join(words[:4])} is not done after {timeout_s:.0f} s; see {log}") from None
