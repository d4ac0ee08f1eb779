"""The logs of tasks, with the lines that name the cause marked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.report import text
from harness.run import log_lines
from harness.run.results import TaskResult

LARGEST: Final = 200_000
"""Characters of one log that the page shows; of a longer one it shows the beginning and, above all, the end."""

LARGEST_TOGETHER: Final = 1_500_000
_BEGINNING: Final = 20_000
_LONGEST_LINE: Final = 4_000


@dataclasses.dataclass(frozen=True)
class LogLine:
    """A line of a log."""

    text: str
    marked: bool = False


@dataclasses.dataclass(frozen=True)
class Log:
    """A log as the page shows it.

    Args:
        task: its task.
        link: to the whole file.
        lines: the shown part.
        left_out: the omitted part, in words; empty if complete.
        failed: whether the cause was found in it.
    """

    task: TaskResult
    link: str
    lines: tuple[LogLine, ...]
    left_out: str
    failed: bool


def read(directory: Path, tasks: Sequence[TaskResult], failed: str | None, logged: Sequence[str]) -> list[Log]:
    """Return the logs of all tasks that have one, that of the failed task first.

    Args:
        directory: the evidence.
        failed: the task that the cause names.
        logged: lines of its log that name the error.
    """
    found = []
    room = LARGEST_TOGETHER
    for task in sorted(tasks, key=lambda task: task.task_id != failed):
        path = text.find_inside(directory, task.log_path) if task.log_path else None
        if path is None or task.log_path is None:
            continue
        content, left_out = _read(path, min(LARGEST, room))
        room -= len(content)
        lines = content.splitlines()
        marked = _marked_lines(lines, logged) if task.task_id == failed else set()
        shown = tuple(
            LogLine(text.abbreviate(line, _LONGEST_LINE), index in marked) for index, line in enumerate(lines)
        )
        found.append(Log(task, text.link_to(task.log_path), shown, left_out, task.task_id == failed))
    return found


def _read(path: Path, most: int) -> tuple[str, str]:
    """Return the text, and the omitted part in words."""
    length = path.stat().st_size
    with path.open("rb") as file:
        if length <= most:
            return file.read().decode("utf-8", "replace"), ""
        if most < 2 * _BEGINNING:
            return "", f"{text.format_size(length)} are not shown here, the page has too many logs"
        beginning = file.read(_BEGINNING).decode("utf-8", "replace").rpartition("\n")[0]
        file.seek(length - (most - _BEGINNING))
        end = file.read().decode("utf-8", "replace").partition("\n")[2]
    left_out = f"{text.format_size(length - most)} of {text.format_size(length)} in its middle are left out"
    return f"{beginning}\n\u22ee {left_out} \u22ee\n{end}", left_out


def _marked_lines(lines: Sequence[str], logged: Sequence[str]) -> set[int]:
    """Return the last place of each of the lines that name the error."""
    wanted = {line.strip(): -1 for line in logged if line.strip()}
    for index, line in enumerate(lines):
        cleaned = log_lines.clean(line).strip()
        if cleaned in wanted:
            wanted[cleaned] = index
    return {index for index in wanted.values() if index >= 0}
