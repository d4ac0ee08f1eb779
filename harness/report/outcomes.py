"""What a test asked about the results of a run, and how it ended: ``checks.json`` in the evidence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Final

from harness.common import documents
from harness.errors import UsageError

FILE: Final = "checks.json"
_LARGEST: Final = 64 << 20


@dataclasses.dataclass(frozen=True)
class RecordedQuestion:
    """A question about an object of the run.

    Args:
        path: the object, relative to the evidence.
        question: as the test asked it, e.g. ``dice``.
        answer: in words.
        label: the segment that it was about.
        truth: file with the mask that it was compared with, relative to the evidence.
    """

    path: str
    question: str
    answer: str
    label: str | None = None
    truth: str | None = None


@dataclasses.dataclass(frozen=True)
class TestOutcome:
    """How the test of a run ended.

    Args:
        name: the test's id.
        outcome: ``passed``, ``failed``, ``skipped`` or ``unfinished``.
        failure: why it failed, as pytest shows it.
        looks: its questions, in order.
    """

    name: str
    outcome: str
    failure: str = ""
    looks: tuple[RecordedQuestion, ...] = ()

    # not a test itself, although named like one
    __test__ = False


def write(directory: Path, tests: list[TestOutcome]) -> None:
    """Write ``checks.json``."""
    from harness.common.redaction import REDACTOR
    from harness.run import evidence

    document = REDACTOR.value([dataclasses.asdict(test) for test in tests])
    evidence.write_text(directory / FILE, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read(directory: Path) -> list[TestOutcome]:
    """Return the tests of a run; empty if no test ran it.

    Raises:
        UsageError: the file is damaged.
    """
    path = directory / FILE
    if not path.exists():
        return []
    try:
        document: Any = documents.parse_json(documents.read_bytes(path, most=_LARGEST))
        return [
            TestOutcome(**{**test, "looks": tuple(RecordedQuestion(**look) for look in test["looks"])})
            for test in document
        ]
    except (documents.DocumentError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not what a test asked: {type(error).__name__}: {error}") from None
