"""The index of a suite: all tests of a session with their runs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from harness.common import documents
from harness.errors import UsageError
from harness.report import rendering

FILE: Final = "test.json"
PAGE: Final = "index.html"
_LARGEST: Final = 16 << 20


@dataclasses.dataclass(frozen=True)
class RunEntry:
    """A run of a test.

    Args:
        report: its page, relative to the test's folder.
        cause: why it failed, one line.
        thumbnail: a picture of its results, as a data URL.
    """

    report: str
    dag_id: str
    run_id: str
    state: str
    seconds: float
    cause: str = ""
    thumbnail: str = ""


@dataclasses.dataclass(frozen=True)
class TestEntry:
    """A test.

    Args:
        failure: what pytest shows of it.
        ended: when, in ISO 8601.
    """

    name: str
    outcome: str
    failure: str
    ended: str
    runs: tuple[RunEntry, ...]

    # not a test itself, although named like one
    __test__ = False


def write(folder: Path, tests: Iterable[Path]) -> Path:
    """Write the index of the tests with evidence in these folders, and return its path.

    Raises:
        UsageError: the evidence of a test is damaged.
        PlatformError: the disk does not take it.
    """
    from harness.run import evidence

    found = [_read(test, folder) for test in tests]
    # what failed first
    order = {"failed": 0, "unfinished": 1, "skipped": 3}
    found.sort(key=lambda entry: (order.get(entry.outcome, 2), entry.name))
    counts = {
        name: sum(entry.outcome == name for entry in found) for name in ("failed", "passed", "skipped", "unfinished")
    }
    page = rendering.render("index.html", scripted=False, tests=found, counts=counts)
    evidence.write_text(folder / PAGE, page)
    return folder / PAGE


def find_tests(folder: Path) -> list[Path]:
    """Return the folders of tests below a folder, at most those of workers in between."""
    return sorted(path.parent for pattern in ("*", "*/*") for path in folder.glob(f"{pattern}/{FILE}"))


def find_common_folder(folders: Sequence[Path]) -> Path:
    """Return the folder that all of them lie in."""
    return Path(os.path.commonpath([folder.absolute() for folder in folders]))


def _read(test: Path, folder: Path) -> TestEntry:
    path = test / FILE
    try:
        document: Any = documents.parse_json(documents.read_bytes(path, most=_LARGEST))
        runs = []
        for run in document["runs"]:
            entry = RunEntry(**run)
            page = os.path.relpath(test / entry.report, folder)
            # an address is shown only where it holds a picture
            thumbnail = entry.thumbnail if entry.thumbnail.startswith("data:image/jpeg;base64,") else ""
            runs.append(dataclasses.replace(entry, report=page, thumbnail=thumbnail))
        return TestEntry(**{**document, "runs": tuple(runs)})
    except (documents.DocumentError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not the evidence of a test: {type(error).__name__}: {error}") from None
