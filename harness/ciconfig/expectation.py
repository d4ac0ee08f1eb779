"""The ``expect:`` block of a ``ci-config`` document: what must come of its run."""

from __future__ import annotations

import collections
import dataclasses
import fnmatch
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from harness.common.documents import abridge
from harness.errors import CheckError, UsageError

if TYPE_CHECKING:
    from harness.run.results import Run

_KEYS: Final = ("state", "cause", "runs", "tasks", "sent", "stored", "findings")
_SENT_KEYS: Final = ("modality", "count", "labels")


@dataclasses.dataclass(frozen=True)
class SentExpectation:
    """DICOM objects of one modality that reach the receiver.

    Attributes:
        modality: DICOM modality, e.g. ``SEG``.
        count: how many objects.
        labels: the segments of each, in any order; ``None`` for any.
    """

    modality: str
    count: int = 1
    labels: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Expectation:
    """What must come of a run; ``None`` leaves a part open.

    Attributes:
        state: of the run.
        cause: a part of the first line of the cause of a failure.
        runs: how many DAG runs the document makes.
        tasks: final states of tasks.
        sent: all objects that are sent; no others may be.
        stored: patterns of object keys, each of which must match.
        findings: the rules of all findings of the run.
    """

    state: str = "success"
    cause: str | None = None
    runs: int | None = None
    tasks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sent: tuple[SentExpectation, ...] | None = None
    stored: tuple[str, ...] = ()
    findings: tuple[str, ...] | None = None

    def check(self, run: Run) -> None:
        """Compare with what came.

        Raises:
            CheckError: names the first difference, and lists the others.
        """
        differences = [
            *self._of_state(run),
            *self._of_tasks(run),
            *([] if self.sent is None else self._of_sent(run, self.sent)),
            *self._of_stored(run),
            *self._of_findings(run),
        ]
        if differences:
            first, *others = differences
            fix = run.cause.fix if run.cause is not None and run.state != self.state else ""
            raise CheckError(first, last_seen="\n".join(others), evidence=str(run.directory), fix=fix)

    def _of_state(self, run: Run) -> list[str]:
        line = run.cause.line if run.cause is not None else ""
        found = []
        if run.state != self.state:
            detail = run.cause.detail.splitlines() if run.cause is not None else []
            if self.state == "success":
                found += [line or f"{run.dag_id} ended {run.state}", *detail]
            else:
                found.append(f"expect: {run.dag_id} ended {run.state}, expected {self.state}")
        elif self.cause is not None and self.cause not in line:
            found.append(f"expect: the cause is {abridge(line)}, expected it to contain {abridge(self.cause)}")
        runs = len(run.run_ids) or 1
        if self.runs is not None and runs != self.runs:
            found.append(f"expect: {runs} DAG runs were made, expected {self.runs}")
        return found

    def _of_tasks(self, run: Run) -> list[str]:
        states = {task.task_id: task.state for task in run.tasks}
        found = []
        for task_id, state in self.tasks.items():
            if task_id not in states:
                found.append(f"expect: {run.dag_id} has no task {task_id!r}; it has {', '.join(states)}")
            elif states[task_id] != state:
                found.append(f"expect: task {task_id} ended {states[task_id]}, expected {state}")
        return found

    def _of_sent(self, run: Run, wanted: tuple[SentExpectation, ...]) -> list[str]:
        from harness.checks.segmentation import Segmentation

        by_modality = collections.defaultdict(list)
        for item in run.sent:
            by_modality[str(item.dataset().get("Modality", ""))].append(item)
        found = []
        for entry in wanted:
            items = by_modality.pop(entry.modality, [])
            if len(items) != entry.count:
                found.append(f"expect: {len(items)} objects of {entry.modality} were sent, expected {entry.count}")
            for item in items if entry.labels is not None else []:
                labels = sorted(Segmentation(item.file).labels)
                if labels != sorted(entry.labels or ()):
                    found.append(
                        f"expect: {item.path} has the segments {labels}, expected {sorted(entry.labels or ())}"
                    )
        found += [
            f"expect: {len(items)} objects of {modality or 'no modality'} were sent, expected none"
            for modality, items in by_modality.items()
        ]
        return found

    def _of_stored(self, run: Run) -> list[str]:
        keys = [item.key for item in run.objects]
        return [
            f"expect: no object was stored as {pattern}; stored: {', '.join(keys[:10]) or 'nothing'}"
            for pattern in self.stored
            if not fnmatch.filter(keys, pattern)
        ]

    def _of_findings(self, run: Run) -> list[str]:
        if self.findings is None:
            return []
        rules = sorted({finding.rule for finding in run.findings})
        wanted = sorted(set(self.findings))
        return [] if rules == wanted else [f"expect: the findings are {rules}, expected {wanted}"]


def read_expectation(block: Any, name: str) -> Expectation:
    """Return the expectation of an ``expect:`` block; without one the run must succeed.

    Args:
        name: how messages call it.

    Raises:
        UsageError: a key or a value of it has no meaning; it is named.
    """
    if block is None:
        return Expectation()
    _check_keys(block, name, _KEYS)
    state = block.get("state", "success")
    if state not in ("success", "failed"):
        raise UsageError(f"{name}: state must be success or failed, not {abridge(state)}")
    if "cause" in block and state != "failed":
        raise UsageError(f"{name}: a cause belongs to state: failed")
    tasks = block.get("tasks", {})
    if not isinstance(tasks, Mapping) or not all(isinstance(item, str) for pair in tasks.items() for item in pair):
        raise UsageError(f"{name}: tasks must map task ids to states, not {abridge(tasks)}")
    sent = block.get("sent")
    if sent is not None and not isinstance(sent, list):
        raise UsageError(f"{name}: sent must be a list, not {abridge(sent)}")
    return Expectation(
        state=state,
        cause=None if "cause" not in block else _read_text(block["cause"], f"{name}: cause"),
        runs=None if "runs" not in block else _read_count(block["runs"], f"{name}: runs"),
        tasks=dict(tasks),
        sent=None if sent is None else tuple(_read_sent(item, f"{name}: sent[{n}]") for n, item in enumerate(sent)),
        stored=_read_texts(block.get("stored", []), f"{name}: stored"),
        findings=None if "findings" not in block else _read_texts(block["findings"], f"{name}: findings"),
    )


def _read_sent(item: Any, name: str) -> SentExpectation:
    _check_keys(item, name, _SENT_KEYS)
    return SentExpectation(
        modality=_read_text(item.get("modality"), f"{name}.modality"),
        count=_read_count(item.get("count", 1), f"{name}.count"),
        labels=None if "labels" not in item else _read_texts(item["labels"], f"{name}.labels"),
    )


def _check_keys(block: Any, name: str, known: tuple[str, ...]) -> None:
    if not isinstance(block, Mapping):
        raise UsageError(f"{name} must be a mapping, not {abridge(block)}")
    for key in block:
        if key not in known:
            raise UsageError(f"{name}: the key {abridge(key)} has no meaning", fix=f"known keys: {', '.join(known)}")


def _read_text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{name} must be a string, not {abridge(value)}")
    return value


def _read_texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise UsageError(f"{name} must be a list, not {abridge(value)}")
    return tuple(_read_text(item, f"{name}[{number}]") for number, item in enumerate(value))


def _read_count(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UsageError(f"{name} must be a whole number, not {abridge(value)}")
    return value
