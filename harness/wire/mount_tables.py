"""Tables of mounts as the kernel writes them (proc(5)): octal escapes stand for bytes of a field."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ESCAPE = re.compile(rb"\\([0-3][0-7]{2})")


def read_lines(table: bytes) -> Iterator[list[str]]:
    """Yield the fields of each line.

    Paths are as Python's own functions give them: bytes that are not UTF-8 become lone surrogates.

    Args:
        table: the content of ``/proc/PID/mountinfo`` or ``/proc/PID/mounts``.
    """
    # a path may have every other character at which text is split into lines or words
    for line in table.split(b"\n"):
        yield [_unescape(field) for field in line.split(b" ")]


def _unescape(field: bytes) -> str:
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), field).decode("utf-8", "surrogateescape")
