"""What is wrong with the geometry of a run's input, with the names that its files have at home."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from harness.findings import Finding
from harness.geometry.judgement import Rule
from harness.run.results import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.data.series import Series

_ONE_VOLUME: Final = "the platform's tools make several volumes of it, or a wrong one: put each kind into a series"
STEPS: Final[Mapping[Rule, str]] = {
    Rule.SIZE: _ONE_VOLUME,
    Rule.KINDS: _ONE_VOLUME,
    Rule.ORIENTATION: _ONE_VOLUME,
    Rule.PIXEL_SPACING: _ONE_VOLUME,
    Rule.SAME_POSITION: "one series for each point in time is what the platform's tools make one volume of",
    Rule.MISSING: "export the series again with all of its slices",
    Rule.UNEVEN: "a volume with one spacing cannot hold it: resample it, or work on the slices",
    Rule.SHEARED: "MITK interpolates such a volume by rules of its own: masks lie on another grid than the slices",
    Rule.COLOUR: "most algorithms expect one value for each voxel",
    Rule.FRAMES: "whether MITK reads it alike was not tried, and dcmqi refuses it: use one image a file",
    Rule.NO_POSITION: "tools count its slices and assume 1 mm: distances and volumes mean nothing",
    Rule.INVERTED: "tools do not turn the values round: an algorithm that expects high values to be bright has to",
}
"""What is wrong with a series, to the next step."""

_INSTANCE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)+)\.dcm\b")


def findings(series: Sequence[Series], noticed: Sequence[Finding]) -> list[Finding]:
    """Return what is wrong with the input, and what the programs noticed beyond that.

    Args:
        series: what the run got.
        noticed: findings that the run's programs have led to; those about one of these series say the same with the
            names that the files have on the platform.
    """
    own = [
        (item.series_instance_uid, Finding(problem.rule.value, "warning", item.name, problem.text, STEPS[problem.rule]))
        for item in series
        for problem in item.problems
    ]
    known = {(uid, finding.rule) for uid, finding in own}
    rest = [finding for finding in noticed if (finding.message.partition(": ")[0], finding.rule) not in known]
    return [*(finding for _, finding in own), *rest]


def with_given_names(cause: Cause | None, series: Sequence[Series]) -> Cause | None:
    """Return the cause with the author's names of the input's files: on the platform they are ``<SOP UID>.dcm``."""
    if cause is None:
        return None
    names = {instance.sop_instance_uid: instance.path.name for item in series for instance in item.instances}
    text = _INSTANCE.sub(lambda found: names.get(found[1], found[0]), cause.summary)
    return dataclasses.replace(cause, summary=text)
