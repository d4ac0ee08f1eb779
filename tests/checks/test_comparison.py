"""Labels beside their truths are a table, which a failing assertion shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_series import SHAPE, write_segmentation

from harness.checks import Segmentation, questions
from harness.checks.comparison import Comparison
from harness.data import Series
from harness.errors import CheckError, UsageError
from tests.inner_pytest import run as run_pytest

WriteSeg = Callable[..., Path]

pytest.importorskip("SimpleITK")


@pytest.fixture
def seg(series: Series, masks: Any, write_seg: WriteSeg) -> Segmentation:
    return Segmentation(write_seg(series, masks), sources=[series])


@pytest.fixture
def truth(masks: Any) -> dict[str, Any]:
    """A liver without its odd voxel, and a tumour of twice the size."""
    found = {label: mask.copy() for label, mask in masks.items()}
    found["Liver"][3, 8, 6] = False
    found["Tumour"][2, 3, 4] = True
    return found


@pytest.fixture
def table(seg: Segmentation, truth: Any) -> Comparison:
    return seg.compare(truth)


def test_each_label_has_its_numbers(table: Comparison, seg: Segmentation, truth: Any) -> None:
    assert list(table) == ["Liver", "Tumour"]
    liver = table["liver"]
    assert liver.dice == seg.dice("Liver", truth["Liver"]) == pytest.approx(72 / 73)
    assert liver.volume_ml == pytest.approx(0.333)
    assert liver.truth_ml == pytest.approx(0.324)
    assert liver.volume_difference == pytest.approx(1 / 36)
    distance = seg.surface_distance("Liver", truth["Liver"])
    assert (liver.hausdorff_mm, liver.p95_mm) == (distance.hausdorff_mm, distance.p95_mm)
    assert liver.mean_mm == distance.mean_mm
    assert table["Tumour"].hausdorff_mm == pytest.approx(2.0, rel=1e-4)


def test_its_text_is_a_table(table: Comparison) -> None:
    assert str(table).splitlines() == [
        "label     dice  hausdorff mm  95 % mm  mean mm  result ml  truth ml",
        "Liver   0.9863          8.14     0.00     0.11       0.33      0.32",
        "Tumour  0.6667          2.00     1.90     0.67       0.01      0.02",
    ]
    assert repr(table) == "<Comparison of Liver, Tumour of seg.dcm>"


@pytest.mark.parametrize(
    ("limits", "summary"),
    [
        ({"dice": 0.9}, "'Tumour' has dice 0.6667 < 0.9"),
        ({"dice": 0.99}, "'Liver' has dice 0.9863 < 0.99 (and 1 more labels)"),
        ({"dice": 0.6, "hausdorff_mm": 8}, "'Liver' has hausdorff_mm 8.14 > 8"),
        ({"p95_mm": 1.5}, "'Tumour' has p95_mm 1.9 > 1.5"),
        ({"mean_mm": 0.5}, "'Tumour' has mean_mm 0.667 > 0.5"),
        ({"volume_difference": 0.1}, "'Tumour' has volume_difference 0.5 > 0.1"),
    ],
)
def test_a_limit_that_a_label_does_not_keep_is_named(table: Comparison, limits: Any, summary: str) -> None:
    verdict = table.meets(**limits)
    assert not verdict
    assert verdict.summary == summary
    assert str(verdict).splitlines()[1].startswith("label ")


def test_limits_that_all_labels_keep_are_met(table: Comparison) -> None:
    assert table.meets(dice=0.66, hausdorff_mm=8.2, p95_mm=2, mean_mm=0.7, volume_difference=0.5)
    with pytest.raises(UsageError, match="has no limit"):
        table.meets()


def test_a_label_that_is_missing_on_one_side_is_infinitely_far_away(series: Series, masks: Any, tmp_path: Path) -> None:
    def clear(dataset: Any) -> None:
        dataset.PixelData = bytes(len(dataset.PixelData))

    path = write_segmentation(tmp_path / "empty.dcm", series, {"Liver": masks["Liver"]}, change=clear)
    table = Segmentation(path, sources=[series]).compare({"Liver": masks["Liver"]})
    assert (table["Liver"].dice, table["Liver"].hausdorff_mm) == (0, math.inf)
    assert table["Liver"].mean_mm.explanation[0] == "the result is empty"
    assert table["Liver"].distance is None
    assert table.meets(p95_mm=1000).summary == "'Liver' has p95_mm inf > 1000"


def test_the_compared_segment_is_chosen_by_the_truth_or_by_the_test(
    seg: Segmentation, series: Series, masks: Any, truth: Any, tmp_path: Path
) -> None:
    other = write_segmentation(tmp_path / "truth.dcm", series, {"Mass": masks["Tumour"], "liver": truth["Liver"]})
    assert list(seg.compare(truth, ["Tumour"])) == ["Tumour"]
    assert list(seg.compare(truth, {"Tumour": "Liver"})) == ["Tumour"]
    table = seg.compare(other, {"Liver": "liver", "Tumour": "Mass"})
    assert [round(row.dice, 4) for row in table.values()] == [0.9863, 1.0]
    with pytest.raises(CheckError, match=r"seg\.dcm has no segment 'Mass'"):
        seg.compare(other)
    values = masks["Liver"] * 1
    values[masks["Tumour"]] = 2
    table = seg.compare(values, {"Liver": 1, "Tumour": 2})
    assert [row.dice for row in table.values()] == [1.0, 1.0]
    with pytest.raises(CheckError, match="an array has values and not labels: which one is which") as caught:
        seg.compare(values)
    assert caught.value.fix == 'labels={"liver": 1} says so'
    with pytest.raises(CheckError, match="there is no truth of 'Spleen'; there are 'Liver', 'Tumour'"):
        seg.compare(truth, ["Spleen"])
    with pytest.raises(CheckError, match="there is no label to compare"):
        seg.compare(truth, [])
    with pytest.raises(CheckError, match="'Spleen' was not compared; these were: 'Liver', 'Tumour'"):
        seg.compare(truth)["Spleen"]


def test_distances_are_not_measured_when_they_are_turned_off(seg: Segmentation, truth: Any) -> None:
    table = seg.compare(truth, distances=False)
    assert str(table).splitlines()[1].split() == ["Liver", "0.9863", "-", "-", "-", "0.33", "0.32"]
    with pytest.raises(UsageError, match="the distances of 'Liver' were not measured"):
        _ = table["Liver"].p95_mm
    with pytest.raises(UsageError, match="the distances of 'Liver' were not measured"):
        table.meets(p95_mm=3)


def test_two_empty_masks_are_not_compared(seg: Segmentation, masks: Any, series: Series, tmp_path: Path) -> None:
    def clear(dataset: Any) -> None:
        dataset.PixelData = bytes(len(dataset.PixelData))

    path = write_segmentation(tmp_path / "empty.dcm", series, {"Liver": masks["Liver"]}, change=clear)
    with pytest.raises(CheckError, match="both empty"):
        Segmentation(path, sources=[series]).compare({"Liver": np.zeros(SHAPE, bool)})


def test_the_report_gets_the_truth_of_each_label(seg: Segmentation, truth: Any) -> None:
    seen: list[questions.Question] = []
    with questions.observe(seen.append):
        seg.compare(truth)
        seg.surface_distance("Liver", truth["Liver"])
    assert [(question.text, question.label) for question in seen] == [
        ("compare", "Liver"),
        ("compare", "Tumour"),
        ("surface_distance", "Liver"),
    ]
    assert seen[0].answer == "dice 0.9863, 95 % within 0.00 mm, 0.33 ml where the truth has 0.32 ml"
    assert seen[2].answer == "at most 8.14 mm, 95 % within 0.00 mm, mean 0.11 mm"
    assert np.array_equal(seen[1].truth, truth["Tumour"])  # type: ignore[arg-type]


def test_failing_assertions_show_the_distance_the_voxel_and_the_table(
    inner: pytest.Pytester, series: Series, seg: Segmentation, truth: Any, tmp_path: Path
) -> None:
    np.savez(tmp_path / "truth.npz", **truth)
    inner.makepyfile(
        f"""
        import numpy
        import pathlib
        import pytest
        from harness import Segmentation, read_input
        TRUTH = dict(numpy.load({str(tmp_path / "truth.npz")!r}))
        @pytest.fixture
        def seg():
            return Segmentation({str(seg.path)!r}, sources=read_input(pathlib.Path({str(series.path)!r})))
        def test_distance(seg):
            assert seg.surface_distance("Liver", TRUTH["Liver"]).hausdorff_mm < 3
        def test_computed(seg):
            assert round(seg.surface_distance("Tumour", TRUTH["Tumour"]).p95_mm) == 7
        def test_volume(seg):
            assert seg.volume_ml("Liver") == pytest.approx(0.5)
        def test_row(seg):
            table = seg.compare(TRUTH)
            assert table["Tumour"].dice >= 0.9
        def test_table(seg):
            assert seg.compare(TRUTH).meets(dice=0.9)
        """
    )
    result = run_pytest(inner)
    result.assert_outcomes(failed=5)
    assert "array(" not in result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "Hausdorff distance of 'Liver' is 8.14 mm: asserted 8.14 < 3",
            "  result to truth: at most 8.14 mm, *; farthest mask[[]3, 8, 6[]] in slice 4 of 6",
            "  truth to result: *",
            "  at *: assert seg.surface_distance(*",
            "95th percentile of the surface distance of 'Tumour' is 1.90 mm: assert 2 == 7",
            "  result to truth: *",
            "  at *",
            "volume of 'Liver' is 0.33 ml: asserted 0.33 == 0.5*",
            "  37 voxels in slices 2 to 4 of 6, all in mask[[]1:4, 2:9, 1:7[]]",
            "  at *",
            "dice of 'Tumour' is 0.6667: asserted 0.6667 >= 0.9000",
            "  differs: 1 voxels *",
            "  only in the result: *",
            "  label     dice  hausdorff mm *",
            "  Liver   0.9863 *",
            "  Tumour  0.6667 *",
            "  at *",
            "seg.dcm meets its truth: NO, 'Tumour' has dice 0.6667 < 0.9",
            "  label     dice  hausdorff mm *",
            "  Liver   0.9863 *",
            "  Tumour  0.6667 * 0.02  dice 0.6667 < 0.9",
            "  at *: assert seg.compare(TRUTH).meets(dice=0.9)",
        ]
    )
