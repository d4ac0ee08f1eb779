"""JSON documents that a run wrote: single values of them, and how they compare with an expected document."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from harness.checks import questions
from harness.checks.differences import Differences
from harness.checks.tolerance import Tolerance
from harness.checks.verdict import Verdict
from harness.common import documents
from harness.errors import CheckError
from harness.wire.messages import join_names

LARGEST: Final = 64 << 20
_LISTED: Final = 30


@dataclasses.dataclass(frozen=True)
class JsonDocument:
    """A JSON document.

    Args:
        name: for messages.
        value: the document as Python has it.
        file: where it stands.
    """

    name: str
    value: Any = dataclasses.field(repr=False)
    file: Path | None = dataclasses.field(default=None, repr=False, compare=False)

    def at(self, *steps: str | int) -> Any:
        """Return the value behind keys and indices: ``document.at("results", 0, "volume")``.

        Raises:
            CheckError: the value is missing; the message lists what is there.
        """
        value = self.value
        for number, step in enumerate(steps):
            try:
                value = _step(value, step)
            except LookupError:
                place = _path(steps[:number])
                raise CheckError(
                    f"{self.name} has no {_path(steps[: number + 1])}: {place or 'it'} {_describe(value)}",
                    evidence=str(self.file) if self.file else "",
                ) from None
        return value

    def matches(
        self,
        expected: Any,
        *,
        rel: float | None = None,
        abs: float = 0.0,
        ignoring: Collection[str] = (),
        partial: bool = False,
    ) -> Verdict:
        """Return whether the document is the expected one; a no names the place and both values.

        Args:
            expected: a value, or the path of a JSON file (a ``Path``; text is a value).
            rel: what numbers may differ by, as a share of the expected one. Without ``rel`` and ``abs``, whole numbers
                must be equal.
            abs: what numbers may differ by.
            ignoring: keys that are not compared, wherever they are.
            partial: keys that are not expected may be there.

        Raises:
            CheckError: the file cannot be read, or is not JSON.
        """
        if isinstance(ignoring, str):
            raise CheckError(f"ignoring is the text {documents.abridge(ignoring)}: give a list of keys")
        if isinstance(expected, Path):
            expected = _read_expected(expected).value
        elif isinstance(expected, JsonDocument):
            expected = expected.value
        tolerance, differences = Tolerance(rel, abs), Differences(self.name, "values")
        _compare(self.value, expected, tolerance, differences, frozenset(ignoring), partial)
        return questions.note_verdict(self.file, f"{self.name} matches", differences.verdict())


def read_json(data: bytes, name: str, *, file: Path | None = None) -> JsonDocument:
    """Return a JSON document.

    Raises:
        CheckError: the bytes are not JSON, or too many.
    """
    evidence = str(file) if file else ""
    if len(data) > LARGEST:
        raise CheckError(f"{name} cannot be read as JSON: it is larger than {LARGEST >> 20} MiB", evidence=evidence)
    try:
        return JsonDocument(name, documents.parse_json(data), file)
    except documents.DocumentError as error:
        beginning = data[:200].decode("utf-8", "replace")
        raise CheckError(
            f"{name} cannot be read as JSON: {error}", last_seen=f"it begins {beginning!r}", evidence=evidence
        ) from None


def _read_expected(path: Path) -> JsonDocument:
    try:
        data = documents.read_bytes(path, most=LARGEST)
    except documents.UnreadableError as error:
        there = sorted(item.name for item in path.parent.glob("*.json")) if path.parent.is_dir() else []
        raise CheckError(
            f"the expected document {path} cannot be read: {error}",
            last_seen=f"JSON files in that folder: {', '.join(there[:_LISTED]) or 'none'}",
        ) from None
    return read_json(data, str(path))


Steps = tuple[str | int, ...]


def _compare(
    found: Any, expected: Any, tolerance: Tolerance, differences: Differences, ignored: frozenset[str], partial: bool
) -> None:
    waiting: list[tuple[Steps, Any, Any]] = [((), found, expected)]
    while waiting:
        steps, mine, other = waiting.pop()
        if isinstance(mine, Mapping) and isinstance(other, Mapping):
            inner: list[tuple[str | int, tuple[Any, Any]]] = list(
                _pair_mappings(_place(steps), mine, other, differences, ignored, partial)
            )
        elif isinstance(mine, list) and isinstance(other, list | tuple):
            if len(mine) != len(other):
                differences.add(f"{_place(steps)} has {len(mine)} values, {len(other)} are expected")
            inner = list(enumerate(zip(mine, other, strict=False)))
        else:
            problem = _compare_single(mine, other, tolerance)
            # most values agree, and need no name
            differences.compare(_place(steps) if problem else "", problem)
            continue
        waiting += [((*steps, step), *both) for step, both in reversed(inner)]


def _pair_mappings(
    place: str,
    mine: Mapping[str, Any],
    other: Mapping[str, Any],
    differences: Differences,
    ignored: frozenset[str],
    partial: bool,
) -> Iterator[tuple[str | int, tuple[Any, Any]]]:
    for key, value in other.items():
        if key in ignored:
            continue
        if key in mine:
            yield key, (mine[key], value)
        else:
            differences.add(f"{place} has no {key!r}; it {_describe(mine)}")
    for key in mine:
        if not partial and key not in other and key not in ignored:
            differences.add(f"{place} has {documents.abridge(key)}, which is not expected")


def _compare_single(found: Any, expected: Any, tolerance: Tolerance) -> str:
    # a number in quotes is a text in JSON
    if isinstance(found, str) != isinstance(expected, str) or isinstance(found, str):
        return "" if found == expected else f"{documents.abridge(found)} instead of {documents.abridge(expected)}"
    return tolerance.compare(found, expected)


def _step(value: Any, step: str | int) -> Any:
    if isinstance(value, Mapping) and isinstance(step, str):
        return value[step]
    if isinstance(value, list) and isinstance(step, int):
        return value[step]
    raise LookupError(step)


def _place(steps: Steps) -> str:
    return _path(steps) or "the document"


def _path(steps: Steps) -> str:
    text = ""
    for step in steps:
        if isinstance(step, str) and step.isidentifier():
            text += f".{step}" if text else step
        else:
            text += f"[{step!r}]"
    return text


def _describe(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"has {join_names([documents.abridge(key) for key in value], _LISTED)}" if value else "is empty"
    if isinstance(value, list):
        return f"is a list of {len(value)}"
    return f"is {documents.abridge(value)}"
