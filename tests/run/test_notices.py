"""Notices of the platform's own programs reach the author as findings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import harness.incluster.programs
from harness.findings import Finding
from harness.run import notices
from harness.wire.notices import Notice, find_all

PROGRAMS = Path(harness.incluster.programs.__file__).parent
PREFIX = "[2026-11-24T20:10:01.123+0000] {podrun.py:99} INFO - "


def findings(logs: dict[str, str], release: str = "") -> list[Finding]:
    return [noticed.finding for noticed in notices.read(logs, release)]


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


def test_output_that_only_looks_like_a_notice_is_not_a_finding() -> None:
    assert findings({"own": "notice board: closed\nnotice: nothing\nmy-notice old-metadata-used: x\n"}) == []


def test_a_container_cannot_report_by_a_rule_that_is_not_the_programs() -> None:
    assert findings({"own": "notice file-clash: x\nnotice credential-in-output: x\n"}) == []


def test_programs_name_no_release_and_the_finding_does() -> None:
    log = "notice differs-on-platform: this release does not filter\n"
    assert findings({"t": log}, "0.6.1")[0].message == "release 0.6.1 does not filter"
    assert not [path for path in PROGRAMS.glob("*.py") if re.search(r'"[^"]*release 0\.6\.0', path.read_text("utf-8"))]


@pytest.mark.parametrize(
    "notice", [Notice("gantry-tilt", "5 mm", "1.2.840"), Notice("cut", "dataset: a"), Notice("a", "b")]
)
def test_a_notice_is_read_as_it_was_printed(notice: Notice) -> None:
    assert list(find_all(f"before\n{PREFIX}{notice}\nafter\n")) == [notice]


def test_the_series_that_a_notice_is_about_is_known() -> None:
    (noticed,) = notices.read({"convert": "notice gantry-tilt: 1.2.840: 5 mm\n"})
    assert (noticed.series, noticed.finding.message) == ("1.2.840", "1.2.840: 5 mm")
