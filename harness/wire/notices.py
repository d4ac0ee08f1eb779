"""A notice: a line of a built-in program's log that becomes a finding of the run, although it may not fail the task."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Final

_LINE: Final = re.compile(
    r"(?:^|[ \t])notice (?P<rule>[a-z-]+): (?:(?P<series>[0-9]+(?:\.[0-9]+)+): )?(?P<text>[^\r\n]+)", re.MULTILINE
)


@dataclasses.dataclass(frozen=True)
class Notice:
    """What a program has noticed.

    Args:
        rule: id of the rule, one of the module ``programs`` or ``input_series`` of ``harness.findings``.
        text: the problem in the author's terms; the finding names ``this release``.
        series: UID of its series, if any.
    """

    rule: str
    text: str
    series: str = ""

    @property
    def message(self) -> str:
        """The text, with the series that it is about."""
        return f"{self.series}: {self.text}" if self.series else self.text

    def __str__(self) -> str:
        return f"notice {self.rule}: {self.message}"


def find_all(log: str) -> Iterator[Notice]:
    """Yield the notices in a log, with any text before them in their lines."""
    for line in _LINE.finditer(log):
        yield Notice(line["rule"], line["text"].strip(), line["series"] or "")
