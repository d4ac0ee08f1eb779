"""Reports at the end of a test: its failure with a picture, differing masks, and the index of the suite."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from lxml import html

from harness.checks import Segmentation, questions
from harness.checks.overlap import Dice
from harness.cli.verbs import cli
from harness.data import Series
from harness.errors import UsageError
from harness.report import conclusion, index
from harness.run.results import Run
from tests.checks.made_series import SHAPE, write_segmentation
from tests.inner_pytest import run as run_pytest
from tests.inner_pytest import write


def _dice(series: Series, mine: Any, truth: Any) -> Dice:
    assert series.planes is not None
    return Dice.of("Liver", mine, truth, series.planes)


def test_a_dice_coefficient_is_a_number_that_knows_where_masks_differ(series: Series, masks: dict[str, Any]) -> None:
    truth = masks["Liver"].copy()
    truth[3, 8, 6] = False
    truth[4, 0:2, 0] = True
    dice = _dice(series, masks["Liver"], truth)
    assert dice == pytest.approx(2 * 36 / (37 + 38))
    assert dice.difference.voxels == 3
    assert dice.difference.box == ((3, 5), (0, 9), (0, 7))
    assert dice.difference.worst == (4, 2)
    assert dice.difference.result_ml == pytest.approx(0.009)
    assert dice.difference.truth_ml == pytest.approx(0.018)
    assert dice.difference.lines[0] == (
        "differs: 3 voxels in slices 4 to 5 of 6, all in mask[3:5, 0:9, 0:7]; most in slice 5 (2)"
    )
    assert pickle.loads(pickle.dumps(dice)) == dice


def test_equal_masks_have_no_differences(series: Series, masks: dict[str, Any]) -> None:
    assert _dice(series, masks["Liver"], masks["Liver"]).difference.lines == ["no voxel differs"]


def test_every_question_to_a_segmentation_is_noted_once(tmp_path: Path, series: Series, masks: dict[str, Any]) -> None:
    path = write_segmentation(tmp_path / "seg.dcm", series, masks)
    seen: list[questions.Question] = []
    with questions.observe(seen.append):
        segmentation = Segmentation(path, sources=[series])
        assert segmentation.labels == ["Liver", "Tumour"]
        assert segmentation.is_valid
        assert segmentation.references(series)
        assert not segmentation.lies_on(series)
        assert segmentation.voxels("liver") == 37
        assert segmentation.dice("Liver", masks["Liver"]) == 1.0
        repr(segmentation)
    segmentation.voxels("liver")
    assert [(question.text, question.label) for question in seen] == [
        ("labels", None),
        ("is_valid", None),
        ("references", None),
        ("lies_on", None),
        ("voxels", "Liver"),
        ("dice", "Liver"),
    ]
    assert seen[-1].answer == "1.0000"
    assert {question.file for question in seen} == {path}


def test_of_the_masks_of_one_segment_the_last_one_is_kept(tmp_path: Path) -> None:
    log = conclusion.QuestionLog()
    for count in range(3):
        log(questions.Question(tmp_path / "a", "dice", "", "x", np.full((1, 1, 1), count > 1)))
    log(questions.Question(tmp_path / "a", "dice", "", "y", np.ones((1, 1, 1), bool)))
    assert [question.truth is not None for question in log.seen] == [False, False, True, True]


def test_the_report_of_a_failed_test_has_its_failure_and_the_picture_it_looked_at(
    tmp_path: Path, sending: Callable[..., Run], masks: dict[str, Any]
) -> None:
    run = sending(masks)
    log = conclusion.QuestionLog()
    with questions.observe(log):
        assert run.sent.segmentation().dice("Liver", masks["Liver"] & ~masks["Tumour"]) == 1.0
    conclusion.conclude(tmp_path, "test_liver", "failed", "dice is too low <b>", runs=[run], questions=log.seen)
    page = html.document_fromstring((run.directory / "report.html").read_text())
    (section,) = page.xpath("//section[@id='test1']")
    assert section.xpath("string(pre)") == "dice is too low <b>"
    assert section.xpath("string(.//img/@src)").startswith("data:image/jpeg;base64,")
    assert section.xpath(".//td/code/bdi/text()") == ["dice"]
    document = json.loads((tmp_path / "test.json").read_text())
    assert [entry["report"] for entry in document["runs"]] == ["run/report.html"]


def test_the_index_lists_what_failed_first_with_links_that_lead_to_reports(
    tmp_path: Path, sending: Callable[..., Run], masks: dict[str, Any]
) -> None:
    run = sending(masks)
    for name, outcome in (("a <script>", "passed"), ("b", "failed")):
        folder = tmp_path / "gw0" / outcome
        folder.mkdir(parents=True)
        conclusion.conclude(folder, name, outcome, "", runs=[run], questions=[])
    page = html.document_fromstring(index.write(tmp_path, index.find_tests(tmp_path)).read_text())
    assert page.xpath("//h2/bdi/text()") == ["b", "a <script>"]
    assert page.xpath("string(//h1)") == "1 failed, 1 passed"
    targets = page.xpath("//li//a/@href")
    assert len(targets) == 2
    assert page.xpath("count(//li/img)") == 2


def test_the_command_writes_the_index_of_a_folder_of_tests(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    conclusion.conclude(tmp_path / "t", "test_it", "failed", "too low", runs=[], questions=[])
    result = CliRunner().invoke(cli, ["report", str(tmp_path)])
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'index.html'}\n")
    assert "test_it" in (tmp_path / "index.html").read_text()


def test_a_damaged_entry_of_the_index_is_named(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/test.json").write_text('{"name": 3}')
    with pytest.raises(UsageError, match=r"test\.json"):
        index.write(tmp_path, index.find_tests(tmp_path))


# a run of the fake platform that sent a real segmentation
_SENDING = """
import pathlib
import pytest
from harness.run.outputs import SentObject, SentObjects

@pytest.fixture
def segmentation(kaapana, series):
    run = kaapana.install("ext").run()
    (run.directory / "sent").mkdir()
    (run.directory / "sent/1.dcm").write_bytes(pathlib.Path({seg!r}).read_bytes())
    item = SentObject("sent/1.dcm", "1.2.840.10008.5.1.4.1.1.66.4", "1.2.1", "1.2", "a", "b", run.directory)
    object.__setattr__(run, "sent", SentObjects([item], [series]))
    return run.sent.segmentation()

@pytest.fixture
def series():
    from harness.data import read_input
    return read_input(pathlib.Path({series!r}))[0]

def test_dice(segmentation):
    import numpy
    truth = numpy.zeros({shape!r}, bool)
    truth[1:4, 2:8, 1:4] = True
    assert segmentation.dice("Liver", truth) > 0.99

def test_labels(segmentation):
    assert segmentation.labels == ["Liver", "Spleen"]

def test_fine(segmentation):
    assert segmentation.is_valid

def test_nothing_is_kept(request):
    from harness.plugin import _QUESTION_LOG
    assert not any(item.stash[_QUESTION_LOG].seen for item in request.session.items if _QUESTION_LOG in item.stash)
"""


@pytest.fixture
def project(inner: pytest.Pytester, tmp_path: Path, series: Series, masks: dict[str, Any]) -> pytest.Pytester:
    """A test project, three tests of which look at a segmentation; two of them fail."""
    seg = write_segmentation(tmp_path / "seg.dcm", series, masks)
    write(inner, _SENDING.format(seg=str(seg), series=str(series.path), shape=SHAPE))
    return inner


def _reports(folder: Path) -> dict[str, html.HtmlElement]:
    return {
        path.parents[1].name.rpartition("_test_")[2]: html.document_fromstring(path.read_text())
        for path in folder.rglob("report.html")
    }


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_a_failing_assertion_says_where_masks_differ_and_where_the_picture_is(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    result = run_pytest(project, *workers, subprocess=bool(workers))
    result.assert_outcomes(failed=2, passed=2)
    text = result.stdout.str()
    assert "array(" not in text
    result.stdout.fnmatch_lines(
        [
            "dice of 'Liver' is 0.7912: asserted 0.7912 > 0.9900",
            "  differs: 19 voxels in slices 2 to 4 of 6, all in mask[[]1:4, 2:9, 3:7[]]; most in slice 4 (7)",
            "  only in the result: 0.009 ml; only in the truth: 0.162 ml; in both: 0.324 ml",
            "  at *test_*.py:*: assert segmentation.dice(*",
            "  report: *test_dice*report.html",
        ]
    )
    # an assertion about something else keeps pytest's own text
    assert "AssertionError: assert ['Liver', 'Tumour'] == ['Liver', 'Spleen']" in text
    result.stdout.fnmatch_lines(["report: *test_labels*report.html"])
    result.stdout.fnmatch_lines(["index of all tests: *evidence*index.html"])
    reports = _reports(project.path / "evidence")
    assert sorted(reports) == ["dice", "fine", "labels"]
    assert "dice of 'Liver' is 0.7912" in reports["dice"].xpath("string(//section[@id='test1']/pre)")
    assert reports["dice"].xpath("count(//section[@id='test1']//img[@class='asked'])") == 1
    assert "only in the truth" in reports["dice"].xpath("string(//section[@id='sent'])")
    assert "'Spleen'" in reports["labels"].xpath("string(//section[@id='test1']/pre)")
    assert reports["fine"].xpath("string(//section[@id='test1']/h2)").endswith("passed")
    (listed,) = (project.path / "evidence").rglob("index.html")
    page = html.document_fromstring(listed.read_text())
    assert page.xpath("string(//h1)") == "2 failed, 1 passed"
    assert all((listed.parent / link).is_file() for link in page.xpath("//li//a/@href"))


def test_an_assertion_about_what_was_computed_from_a_coefficient_is_explained_alike(
    inner: pytest.Pytester, tmp_path: Path, series: Series, masks: dict[str, Any]
) -> None:
    seg = write_segmentation(tmp_path / "seg.dcm", series, masks)
    inner.makepyfile(
        f"""
        import numpy
        import pytest
        from harness.checks import Segmentation
        @pytest.fixture
        def segmentation():
            return Segmentation({str(seg)!r})
        def test_distance(segmentation):
            assert abs(segmentation.dice("Liver", numpy.ones({(3, *SHAPE[1:])!r}, bool)) - 1.0) < 0.01
        def test_rounded(segmentation):
            assert round(segmentation.dice("Liver", numpy.ones({(3, *SHAPE[1:])!r}, bool)), 1) == pytest.approx(0.9)
        def test_other(segmentation):
            segmentation.dice("Liver", numpy.ones({(3, *SHAPE[1:])!r}, bool))
            assert "a" == "b"
        """
    )
    result = run_pytest(inner)
    result.assert_outcomes(failed=3)
    text = result.stdout.str()
    assert "array(" not in text
    assert text.count("\n  differs: ") == 2
    result.stdout.fnmatch_lines(
        ["dice of 'Liver' is 0.3*: assert 0.6* < 0.01", "dice of 'Liver' is 0.3*: assert 0.3* == *"]
    )


def test_a_test_that_was_interrupted_did_not_pass(project: pytest.Pytester) -> None:
    with project.path.joinpath("test_interrupted.py").open("w") as file:
        file.write("def test_it(kaapana):\n    kaapana.install('ext').run()\n    raise KeyboardInterrupt\n")
    run_pytest(project, "test_interrupted.py", subprocess=True)
    (entry,) = (project.path / "evidence").rglob("test.json")
    assert json.loads(entry.read_text())["outcome"] == "unfinished"


def test_a_comparison_without_the_platform_is_explained_alike(
    inner: pytest.Pytester, tmp_path: Path, series: Series, masks: dict[str, Any]
) -> None:
    seg = write_segmentation(tmp_path / "seg.dcm", series, masks)
    inner.makepyfile(
        f"""
        import numpy
        from harness.checks import Segmentation
        def test_dice():
            truth = numpy.ones({SHAPE!r}, bool)
            assert 0.99 < Segmentation({str(seg)!r}).dice("Liver", truth[:3])
        """
    )
    result = run_pytest(inner)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["dice of 'Liver' is *: asserted 0.9900 < *", "  differs: *", "  at *: assert 0.99 <*"])
