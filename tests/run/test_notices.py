"""What the platform's own programs say of their input reaches the author as findings."""

from __future__ import annotations

import re
from pathlib import Path

import harness.incluster.programs
from harness.run.notices import findings

PROGRAMS = Path(harness.incluster.programs.__file__).parent
PREFIX = "[2026-11-24T20:10:01.123+0000] {podrun.py:99} INFO - "


def test_a_notice_of_a_program_is_a_finding_with_its_next_step() -> None:
    (found,) = findings({"put": f"first\n{PREFIX}notice whitelist-is-text: it fell into its characters\nlast\n"})
    assert (found.rule, found.where) == ("whitelist-is-text", "put")
    assert found.message == "it fell into its characters"
    assert "['.json']" in found.fix


def test_the_same_notice_counts_once_and_countless_ones_are_few() -> None:
    text = "notice old-metadata-used: a.json exists already\n"
    assert len(findings({"seg": text * 3})) == 1
    many = "".join(f"notice custom-segment-code: label {number}\n" for number in range(40))
    assert len(findings({"seg": many})) == 5


def test_words_of_a_container_that_only_look_like_a_notice_are_no_finding() -> None:
    assert findings({"own": "notice board: closed\nnotice: nothing\nmy-notice old-metadata-used: x\n"}) == []


def test_a_container_cannot_report_by_a_rule_that_is_not_the_programs() -> None:
    assert findings({"own": "notice file-clash: x\nnotice credential-in-output: x\n"}) == []


def test_programs_name_no_release_and_the_finding_does() -> None:
    log = "notice differs-on-platform: this release does not filter\n"
    assert findings({"t": log}, "0.6.1")[0].message == "release 0.6.1 does not filter"
    assert not [path for path in PROGRAMS.glob("*.py") if re.search(r'"[^"]*release 0\.6\.0', path.read_text("utf-8"))]
