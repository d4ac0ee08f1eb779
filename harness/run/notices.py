"""Make findings of the notices that the platform's own programs print about their input (operators 10)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from harness.findings import Finding
from harness.run import source_geometry
from harness.wire.names import NOTICE

_LINE: Final = re.compile(rf"(?:^|[ \t]){NOTICE} (?P<rule>[a-z-]+): (?P<text>[^\r\n]+)", re.MULTILINE)
# of one rule in one task: more of the same tell nothing new
_MOST: Final = 5

RULES: Final[Mapping[str, str]] = {
    **{rule.value: step for rule, step in source_geometry.STEPS.items()},
    "ae-title-cut": "names of projects and datasets that are sent to need to be 13 characters or shorter",
    "blank-in-modalities": "write the modalities with commas and without blanks: CT,MR",
    "custom-segment-code": "a label with the name of a term in the standard gets the term's code",
    "differs-on-platform": "do not rely on it",
    "fails-on-platform": "test it on the platform before it is shipped",
    "mask-beside-source": "the mask needs origin, spacing and direction of the image it was made from",
    "name-without-dot": "DICOM files need a dot before .dcm in their name, as those of get-input have",
    "no-effect": "leave it out",
    "nothing-to-send": "check input_operator, and that the operator before it wrote .dcm files for every element",
    "old-metadata-used": "the operator that writes the masks must not leave a .json of the same name beside them",
    "series-left-out": "the dataset names series that the project does not have",
    "several-volumes": "an element should be one series: programs after it find more than one file",
    "whitelist-is-text": "give a list: whitelisted_file_extensions=['.json']",
    "whitelist-only-zip": "zipping is done by the operator: name the extensions of the files, not .zip",
    "whitelist-without-dot": "write the dot: '.json'",
}
"""Name of a finding to the next step."""


def findings(logs: Mapping[str, str], release: str = "") -> list[Finding]:
    """What the logs of a run's tasks say in lines ``notice <rule>: <text>``, each once.

    Args:
        logs: text by task id.
        release: the version that the run was made on; programs do not know it and say "this release".
    """
    found: dict[Finding, None] = {}
    for task_id, text in logs.items():
        count: dict[str, int] = {}
        for line in _LINE.finditer(text):
            rule = line["rule"]
            finding = Finding(rule, "warning", task_id, _naming(release, line["text"].strip()), RULES.get(rule, ""))
            if rule not in RULES or finding in found or count.get(rule, 0) == _MOST:
                continue
            count[rule] = count.get(rule, 0) + 1
            found[finding] = None
    return list(found)


def _naming(release: str, text: str) -> str:
    return text.replace("this release", f"release {release}") if release else text
