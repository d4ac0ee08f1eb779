"""Make findings of the notices that the platform's own programs print about their input (operators 10)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from harness.findings import Finding, input_series, programs, rules_of
from harness.wire.names import NOTICE

_LINE: Final = re.compile(rf"(?:^|[ \t]){NOTICE} (?P<rule>[a-z-]+): (?P<text>[^\r\n]+)", re.MULTILINE)
# of one rule in one task: more of the same tell nothing new
_MOST: Final = 5

# a container of an author may print such a line as well: nothing else is believed of it
_RULES: Final = rules_of(programs) | rules_of(input_series)


def findings(logs: Mapping[str, str], release: str = "") -> list[Finding]:
    """Return what the logs of a run's tasks say in lines ``notice <rule>: <text>``, each once.

    Args:
        logs: text by task id.
        release: the version that the run was made on; programs do not know it and say "this release".
    """
    found: dict[Finding, None] = {}
    for task_id, text in logs.items():
        count: dict[str, int] = {}
        for line in _LINE.finditer(text):
            rule = _RULES.get(line["rule"])
            if rule is None or count.get(rule.id, 0) == _MOST:
                continue
            finding = rule.report(task_id, _naming(release, line["text"].strip()))
            if finding not in found:
                count[rule.id] = count.get(rule.id, 0) + 1
                found[finding] = None
    return list(found)


def _naming(release: str, text: str) -> str:
    return text.replace("this release", f"release {release}") if release else text
