"""The result of a row."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, Final

PASSED: Final = "passed"
FAILED: Final = "failed"
REFUSED: Final = "refused"
MISSING: Final = "not run"


@dataclasses.dataclass(frozen=True)
class Suite:
    """A run of pytest.

    Attributes:
        tests: how many there were.
        skipped: how many of them were skipped.
        failures: names of those that failed.
        seconds: from its start to its end.
        whole: whether it was all of the suite.
    """

    tests: int
    skipped: int
    failures: tuple[str, ...]
    seconds: float
    whole: bool = True

    @property
    def passed(self) -> bool:
        return self.tests > self.skipped and not self.failures

    def __str__(self) -> str:
        if not self.tests:
            return "no test ran"
        if self.failures:
            return f"{len(self.failures)} of {self.tests} failed: {', '.join(self.failures[:3])}"
        return f"{self.tests - self.skipped} passed" + (f", {self.skipped} skipped" if self.skipped else "")


@dataclasses.dataclass
class Outcome:
    """A row of the table.

    Attributes:
        row: its name.
        engine, store, api, builder: what was found.
        images: how they got there, with the seconds.
        cold: seconds of the first run of the scenario, with what it had to build.
        warm, edit: seconds, see :mod:`tests.engines.matrix.timing`.
        conformance, scenario, kind: suites.
        verdict: one of the words above.
        reason: the first line of what went wrong, or of the refusal.
    """

    row: str
    engine: str = ""
    store: str = ""
    api: str = ""
    builder: str = ""
    images: str = ""
    cold: float | None = None
    warm: float | None = None
    edit: float | None = None
    conformance: Suite | None = None
    scenario: Suite | None = None
    kind: Suite | None = None
    verdict: str = MISSING
    reason: str = ""

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1), "utf-8")


def read_outcome(path: Path) -> Outcome:
    """Return what an earlier call has kept."""
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    for name in ("conformance", "scenario", "kind"):
        if document[name]:
            document[name] = Suite(**{**document[name], "failures": tuple(document[name]["failures"])})
    return Outcome(**document)


def read_suite(path: Path) -> Suite:
    """Return what pytest has written as ``--junitxml``; a suite without tests where it has written nothing."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return Suite(0, 0, (), 0.0)
    cases = list(root.iter("testcase"))
    failed = {
        case.get("name", "?"): None
        for case in cases
        if any(case.find(kind) is not None for kind in ("failure", "error"))
    }
    seconds = sum(float(suite.get("time", 0)) for suite in root.iter("testsuite"))
    return Suite(
        tests=len({(case.get("classname"), case.get("name")) for case in cases}),
        skipped=sum(1 for case in cases if case.find("skipped") is not None),
        failures=tuple(failed),
        seconds=seconds,
    )
