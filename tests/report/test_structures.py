"""A structure set that was sent is in the report, beside the truth that a test compared it with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lxml import html

from harness.checks import questions
from harness.checks.classes import RT_STRUCTURE_STORAGE
from harness.data import Series
from harness.errors import CheckError
from harness.report import conclusion
from harness.run.results import Run
from tests.checks.made_structures import runs_of, write_structures
from tests.report.made_runs import SEG, make_run


@pytest.fixture
def run(tmp_path: Path, series: Series, masks: dict[str, Any]) -> Run:
    path = write_structures(tmp_path / "rt.dcm", series, {label: runs_of(mask) for label, mask in masks.items()})
    return make_run(tmp_path / "run", sent=[(RT_STRUCTURE_STORAGE, path)], sources=[series])


def test_the_report_shows_where_a_structure_differs_from_the_truth(
    run: Run, masks: dict[str, Any], tmp_path: Path
) -> None:
    log = conclusion.QuestionLog()
    with questions.observe(log):
        assert run.sent.structure_set().dice("Liver", masks["Liver"] & ~masks["Tumour"]) == 1.0
        truth = masks["Liver"].copy()
        truth[0, 0, 0:2] = True
        assert run.sent.structure_set().dice("Liver", truth) < 1.0
    conclusion.conclude(tmp_path, "test_rt", "passed", "", runs=[run], questions=log.seen)
    page = html.document_fromstring((run.directory / "report.html").read_text())
    (article,) = page.xpath("//section[@id='sent']/article")
    assert article.xpath("count(.//img)") >= 1
    shown = " ".join(article.text_content().split())
    assert "only in the truth 2 voxels in all slices" in shown
    assert "only in the result 0 voxels in all slices" in shown


def test_exactly_one_structure_set_is_asked_for(run: Run, tmp_path: Path, series: Series) -> None:
    assert run.sent.structure_set().names == ["Liver", "Tumour"]
    with pytest.raises(CheckError, match="no segmentation sent where exactly one is expected"):
        run.sent.segmentation()
    twice = make_run(
        tmp_path / "twice", sent=[(RT_STRUCTURE_STORAGE, tmp_path / "rt.dcm")] * 2 + [(SEG, tmp_path / "rt.dcm")]
    )
    assert len(twice.sent.structure_sets()) == 2
    with pytest.raises(CheckError, match="2 RT structure sets sent where exactly one is expected"):
        twice.sent.structure_set()
