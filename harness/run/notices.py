"""Make findings of the notices that the platform's own programs print about their input (operators 10)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

from harness.findings import Finding, collect_rules, input_series, programs
from harness.wire.notices import find_all

# of one rule in one task: more of the same tell nothing new
_MOST: Final = 5

# an author's container may print such a line too: trust no other part of it
_RULES: Final = collect_rules(programs) | collect_rules(input_series)


@dataclasses.dataclass(frozen=True)
class Noticed:
    """A finding that a program's notice has led to, and the UID of the series that it is about, if it is about one."""

    finding: Finding
    series: str = ""


def read(logs: Mapping[str, str], release: str = "") -> list[Noticed]:
    """Return the notices in the logs of a run's tasks, each once.

    Args:
        logs: text by task id.
        release: the version that the run was made on; programs do not know it and say "this release".
    """
    found: dict[Noticed, None] = {}
    for task_id, text in logs.items():
        count: dict[str, int] = {}
        for notice in find_all(text):
            rule = _RULES.get(notice.rule)
            if rule is None or count.get(rule.id, 0) == _MOST:
                continue
            noticed = Noticed(rule.report(task_id, _name(release, notice.message)), notice.series)
            if noticed not in found:
                count[rule.id] = count.get(rule.id, 0) + 1
                found[noticed] = None
    return list(found)


def _name(release: str, text: str) -> str:
    return text.replace("this release", f"release {release}") if release else text
