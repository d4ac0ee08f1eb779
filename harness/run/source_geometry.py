"""Problems of the geometry of a run's input, with the names of the author's files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from harness.findings import RULES, Finding
from harness.run.notices import Noticed
from harness.run.results import Cause
from harness.wire.naming import instance_file

if TYPE_CHECKING:
    from harness.data.series import Series

# a name of a file in a message, without the full stop behind it
_NAME: Final = re.compile(r"[\w.-]*\w")


def collect_findings(series: Sequence[Series], noticed: Sequence[Noticed]) -> list[Finding]:
    """Return the problems of the input, and those that only the programs noticed.

    Args:
        series: the run's input.
        noticed: findings that the run's programs have led to; those about one of these series say the same with the
            names that the files have on the platform.
    """
    own = [
        (item.series_instance_uid, RULES[problem.kind.value].report(item.name, problem.text))
        for item in series
        for problem in item.problems
    ]
    known = {(uid, finding.rule) for uid, finding in own}
    rest = [item.finding for item in noticed if (item.series, item.finding.rule) not in known]
    return [*(finding for _, finding in own), *rest]


def add_given_names(cause: Cause | None, series: Sequence[Series]) -> Cause | None:
    """Return the cause with the author's names of the input's files in place of those that they have in a run."""
    if cause is None:
        return None
    instances = [instance for item in series for instance in item.instances]
    names = {instance_file(instance.sop_instance_uid): instance.path.name for instance in instances}
    text = _NAME.sub(lambda found: names.get(found[0], found[0]), cause.summary)
    return dataclasses.replace(cause, summary=text)
