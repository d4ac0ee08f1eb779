"""Problems of the input's geometry, with the file names on the author's disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.data.series import Instance, Series
from harness.findings import collect_rules, input_series
from harness.geometry import Problem, ProblemKind
from harness.run.notices import Noticed
from harness.run.results import Cause
from harness.run.source_geometry import add_given_names, collect_findings

GAP = Problem(ProblemKind.MISSING, "a slice is missing between im03.dcm and im04.dcm", ("im03.dcm", "im04.dcm"))


@pytest.fixture
def series(small_series: Series) -> Series:
    folder = Path("export")
    instances = (Instance(folder / "im03.dcm", "1.2.840.3", "2"), Instance(folder / "im04.dcm", "1.2.840.4", "2"))
    return dataclasses.replace(small_series, series_instance_uid="1.2.840", instances=instances, problems=(GAP,))


def noticed(rule: str, series: str, text: str) -> Noticed:
    return Noticed(collect_rules(input_series)[rule].report("convert", f"{series}: {text}"), series)


def test_a_problem_of_the_input_is_a_finding_with_the_next_step(series: Series) -> None:
    (found,) = collect_findings([series], [])
    assert (found.rule, found.severity, found.where) == ("slice-missing", "warning", series.name)
    assert found.message == GAP.text
    assert found.fix == "export the series again with all of its slices"


@pytest.mark.parametrize("kind", ProblemKind)
def test_everything_that_can_be_wrong_with_a_series_has_a_next_step(series: Series, kind: ProblemKind) -> None:
    odd = dataclasses.replace(series, problems=(Problem(kind, "it is odd", ()),))
    (found,) = collect_findings([odd], [])
    assert found.rule == kind.value
    assert found.fix


def test_a_programs_notice_of_the_same_series_is_not_repeated(series: Series) -> None:
    same = noticed("slice-missing", "1.2.840", "a slice is missing between 1.2.840.3.dcm and 1.2.840.4.dcm")
    assert [item.where for item in collect_findings([series], [same])] == [series.name]


def test_a_programs_notice_of_another_series_or_beyond_that_stays(series: Series) -> None:
    other = noticed("slice-missing", "1.2.999", "a slice is missing")
    beyond = noticed("gantry-tilt", "1.2.840", "its slices are shifted against each other")
    assert collect_findings([series], [other, beyond])[1:] == [other.finding, beyond.finding]


def test_a_series_without_problems_leaves_what_the_programs_noticed(small_series: Series) -> None:
    said = noticed("colour-images", "1.2.3", "1.2.3.1.dcm is in colour")
    assert collect_findings([small_series], [said]) == [said.finding]


def test_the_cause_names_the_files_as_the_author_does(series: Series) -> None:
    cause = Cause("convert", "1.2.840.4.dcm has 5 rows, 1.2.840.3.dcm has 9, 1.2.999.7.dcm is elsewhere", "log", "fix")
    renamed = add_given_names(cause, [series])
    assert renamed is not None
    assert renamed.summary == "im04.dcm has 5 rows, im03.dcm has 9, 1.2.999.7.dcm is elsewhere"
    assert (renamed.task_id, renamed.detail, renamed.fix) == ("convert", "log", "fix")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("cannot read '/kaapana/data/1.2.840.3.dcm': no pixels", "cannot read '/kaapana/data/im03.dcm': no pixels"),
        ("no pixels in 1.2.840.4.dcm.", "no pixels in im04.dcm."),
        ("no pixels in 1.2.840.4", "no pixels in 1.2.840.4"),
        ("no pixels in 9.1.2.840.4.dcm or 1.2.840.4.dcm.gz", "no pixels in 9.1.2.840.4.dcm or 1.2.840.4.dcm.gz"),
        ("no pixels in mask-1.2.840.4.dcm", "no pixels in mask-1.2.840.4.dcm"),
    ],
)
def test_only_whole_names_of_the_inputs_files_are_replaced(series: Series, said: str, shown: str) -> None:
    renamed = add_given_names(Cause("convert", said), [series])
    assert renamed is not None
    assert renamed.summary == shown


def test_a_run_without_a_cause_gets_none(series: Series) -> None:
    assert add_given_names(None, [series]) is None
