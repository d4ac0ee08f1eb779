"""Find the line of a log that says what went wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

# "ValueError: text", "my.package.CustomError: text", also alone at the end of a traceback
_EXCEPTION = re.compile(
    r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning|Iteration|Timeout)\b(?::.*)?$"
)
_COMPLAINT = re.compile(
    r"\b(?:error|fatal|failed|failure|exception|cannot|could not|refused|denied|not found)\b|^[EF]:", re.I
)
# "[2024-11-24T20:10:01.123+0000] {operator.py:99} INFO - " as Airflow writes it before a line of a container
_AIRFLOW_PREFIX = re.compile(r"^\[\d{4}-\d\d-\d\d[T ][\d:.,+Z-]+\]\s+\{[^}]*\}\s+[A-Z]+\s+-\s?")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def clean(line: str) -> str:
    """Return a log line without colours and without Airflow's prefix, leading blanks kept."""
    return _AIRFLOW_PREFIX.sub("", _ANSI.sub("", line).rstrip("\r\n")).rstrip()


def meaningful(lines: Sequence[str]) -> str:
    """Return the line that names the error: the last exception, or the last complaint, or the last line with text."""
    cleaned = [clean(line) for line in lines]
    for matches in (_EXCEPTION.match, _COMPLAINT.search):
        for line in reversed(cleaned):
            if matches(line) and not line.startswith((" ", "\t")):
                return line.strip()
    return next((line.strip() for line in reversed(cleaned) if line.strip()), "")


def tail(lines: Sequence[str], count: int = 15) -> str:
    """Return the last lines with text, one string."""
    kept = [line for line in map(clean, lines) if line.strip()]
    return "\n".join(kept[-count:])
