"""Find the cause of a missing input in an earlier task, which succeeded without writing it. Pure functions."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from harness.findings import Finding
from harness.run import log_lines
from harness.run.results import Cause
from harness.wire.records import TaskRecord

# in the words of the built-in programs, of Python, of C libraries and of what authors write themselves
_MISSING: Final = re.compile(
    r"\bno (?:\S+ ){0,3}(?:files?|images?|masks?|series|input|element)\b|FileNotFoundError|No such file or directory|"
    r"does not exist|doesn't exist|\bnothing to (?:convert|zip|unzip|send|do|process)\b|"
    r"\b(?:folder|directory|input|file|files|list)\b.{0,80}\b(?:is|are|was|were) (?:missing|empty|not there)\b|"
    r"\b(?:missing|empty) (?:input|folder|directory|file)",
    re.I,
)


def explain(cause: Cause | None, tasks: Sequence[TaskRecord], found: Sequence[Finding], platform: str) -> Cause | None:
    """Return the cause of a failed run: a finding about an earlier task if the later one misses its files.

    The nearest of the tasks that the failed one reads from counts, then those that these read from.

    Args:
        tasks: records of all tasks.
        found: what may have kept a task from writing its files.
        platform: name of the profile that it was made on.
    """
    by_id = {task.task_id: task for task in tasks}
    failed = by_id.get(cause.task_id or "") if cause else None
    if cause is None or failed is None or not _misses_input(failed.result.log_tail):
        return cause
    suspects: dict[str, Finding] = {}
    for finding in found:
        if finding.concerns(platform):
            suspects.setdefault(finding.where, finding)
    for task in _tasks_before(failed, by_id):
        if task.state == "success" and (suspect := suspects.get(task.task_id)):
            summary = f"{suspect.message}; it succeeded, and then {cause.line}"
            return dataclasses.replace(cause, task_id=suspect.where, summary=summary, fix=suspect.fix)
    return cause


def _misses_input(log: Sequence[str]) -> bool:
    """Return whether a container ended over input that is not there, by the last lines that it wrote itself."""
    return bool(_MISSING.search("\n".join([log_lines.find_meaningful(log), log_lines.tail(log)])))


def _tasks_before(task: TaskRecord, by_id: Mapping[str, TaskRecord]) -> Iterator[TaskRecord]:
    """Yield the tasks that a task reads from, nearest first; where that is not known, those that it comes after."""
    seen, level = {task.task_id}, [task]
    while level:
        following: dict[str, TaskRecord] = {}
        for later in level:
            following |= {name: by_id[name] for name in _sources(later, by_id) if name not in seen}
        yield from following.values()
        seen |= following.keys()
        level = list(following.values())


def _sources(task: TaskRecord, by_id: Mapping[str, TaskRecord]) -> list[str]:
    read = set(task.result.reads)
    upstream = [name for name in task.upstream if name in by_id]
    if not read:
        return upstream
    return [name for name, other in by_id.items() if other.result.writes in read] or upstream
