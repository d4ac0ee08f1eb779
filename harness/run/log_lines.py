"""Find the line of a log that says what went wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

# "ValueError: text", "my.package.CustomError: text", also alone at the end of a traceback, "socket.gaierror: text"
_EXCEPTION = re.compile(
    r"^(?:(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning|Iteration|Timeout)|"
    r"(?:\w+\.)+(?:gaierror|herror|error))\b(?::.*)?$"
)
_COMPLAINT = re.compile(
    r"\b(?:error|fatal|failed|failure|exception|cannot|could not|refused|denied|not found)\b|^[EF]:", re.I
)
# "[2024-11-24T20:10:01.123+0000] {operator.py:99} INFO - " as Airflow writes it before a line of a container
_AIRFLOW_PREFIX = re.compile(r"^\[\d{4}-\d\d-\d\d[T ][\d:.,+Z-]+\]\s+\{[^}]*\}\s+[A-Z]+\s+-\s?")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


# what Python writes between two exceptions, the cause first
_CHAINED = {
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
}
_TRACEBACK = "Traceback (most recent call last):"


def clean(line: str) -> str:
    """Return a log line without colours and without Airflow's prefix, leading blanks kept."""
    return _AIRFLOW_PREFIX.sub("", _ANSI.sub("", line).rstrip("\r\n")).rstrip()


def find_meaningful(lines: Sequence[str]) -> str:
    """Return the error that a log names, as one line: see :func:`find_error_lines`."""
    return "; then ".join(find_error_lines(lines))


def find_error_lines(lines: Sequence[str]) -> list[str]:
    """Return the line that names the error: the last exception, or the last complaint, or the last line with text.

    An exception that a program raised while handling another one comes after that one.
    """
    cleaned = [clean(line) for line in lines]
    last = _last_exception(cleaned, len(cleaned))
    if last >= 0:
        first = last
        while (cause := _cause(cleaned, first)) >= 0:
            first = cause
        return [cleaned[last]] if first == last else [cleaned[first], cleaned[last]]
    for line in reversed(cleaned):
        if _COMPLAINT.search(line) and not line.startswith((" ", "\t")):
            return [line.strip()]
    return next(([line.strip()] for line in reversed(cleaned) if line.strip()), [])


def find_exceptions(lines: Sequence[str]) -> list[str]:
    """Return the lines that name an exception."""
    return [line for line in map(clean, lines) if _EXCEPTION.match(line)]


def find_last_error(lines: Sequence[str]) -> list[str]:
    """Return a failed program's last traceback with the tracebacks before it in the chain, or its last lines."""
    cleaned = [clean(line) for line in lines]
    first = last = _last_exception(cleaned, len(cleaned))
    while first >= 0 and (cause := _cause(cleaned, first)) >= 0:
        first = cause
    if last < 0:
        return tail(lines).splitlines()
    begin = next((index for index in range(first, -1, -1) if cleaned[index] == _TRACEBACK), first)
    return cleaned[begin:]


def _last_exception(lines: Sequence[str], end: int) -> int:
    """Return the index of the last exception before ``end``, -1 without one."""
    return next((index for index in range(end - 1, -1, -1) if _EXCEPTION.match(lines[index])), -1)


def _cause(lines: Sequence[str], exception: int) -> int:
    """Return the index of the exception that another one came of, as Python says; -1 without one."""
    begin = next((index for index in range(exception, -1, -1) if lines[index] == _TRACEBACK), 0)
    before = next((index for index in range(begin - 1, -1, -1) if lines[index]), -1)
    return _last_exception(lines, before) if before >= 0 and lines[before] in _CHAINED else -1


def tail(lines: Sequence[str], count: int = 15) -> str:
    """Return the last lines with text, one string."""
    kept = [line for line in map(clean, lines) if line.strip()]
    return "\n".join(kept[-count:])
