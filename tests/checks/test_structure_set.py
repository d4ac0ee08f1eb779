"""Structures of an RT structure set have names, contours and voxels on the slices that they were drawn on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from made_series import SHAPE, write_segmentation, write_series
from made_structures import rectangle, runs_of, write_structures
from pydicom.sr.codedict import codes

from harness.checks import Segmentation, StructureSet, contours, structure_set
from harness.checks.contours import Contour, ContourFiller
from harness.data import Series, read_input
from harness.errors import CheckError
from harness.geometry.grid import Grid

Draw = Callable[..., StructureSet]


@pytest.fixture
def draw(tmp_path: Path, series: Series) -> Draw:
    """Makes a structure set of the series."""

    def made(structures: Any, **how: Any) -> StructureSet:
        return StructureSet(write_structures(tmp_path / "rt.dcm", series, structures, **how), sources=[series])

    return made


@pytest.fixture
def organs(draw: Draw, masks: Any) -> StructureSet:
    return draw({label: runs_of(mask) for label, mask in masks.items()})


def test_structures_have_names_and_contours(organs: StructureSet, series: Series) -> None:
    assert organs.names == ["Liver", "Tumour"]
    assert [(one.number, one.label, one.algorithm) for one in organs.structures] == [
        (1, "Liver", "AUTOMATIC"),
        (2, "Tumour", "AUTOMATIC"),
    ]
    (contour,) = organs.contours("tumour")
    assert contour.kind == "CLOSED_PLANAR"
    assert series.geometry is not None
    assert contour.points[0] == pytest.approx(series.geometry.position(2, 2.5, 4.5), abs=1e-3)
    assert organs.references(series)
    assert repr(organs) == "<StructureSet rt.dcm with Liver, Tumour>"


def test_contours_around_voxels_are_these_voxels_also_on_an_oblique_grid(organs: StructureSet, masks: Any) -> None:
    for label, mask in masks.items():
        assert np.array_equal(organs.mask(label), mask)
        assert organs.dice(label, mask) == 1.0
    assert organs.voxels("Liver") == 37
    assert organs.volume_ml("Liver") == pytest.approx(37 * 9 / 1000)
    assert organs.surface_distance("Liver", masks["Liver"]).hausdorff_mm == 0
    assert organs.compare(masks).meets(dice=1, hausdorff_mm=0, volume_difference=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_any_voxels_come_back(draw: Draw, seed: int) -> None:
    mask = np.random.default_rng(seed).random(SHAPE) < 0.4
    assert np.array_equal(draw({"Any": runs_of(mask)}).mask("Any"), mask)


def test_a_contour_within_another_one_is_a_hole_and_a_third_one_an_island(draw: Draw) -> None:
    rings = [(2, rectangle(edge - 0.5, edge - 0.5, 8.5 - edge, 6.5 - edge)) for edge in range(3)]
    expected = np.zeros(SHAPE, bool)
    for edge in range(3):
        expected[2, edge : 9 - edge, edge : 7 - edge] ^= True
    assert np.array_equal(draw({"Rings": rings}).mask("Rings"), expected)
    assert np.array_equal(draw({"Rings": rings}, kind="CLOSEDPLANAR_XOR").mask("Rings"), expected)


def test_a_hole_that_a_channel_leads_to_is_a_hole(draw: Draw) -> None:
    outer, inner = rectangle(0.5, 0.5, 7.5, 5.5), rectangle(2.5, 2.5, 4.5, 4.5)
    keyhole = [*outer, outer[0], inner[0], *reversed(inner), outer[0]]
    expected = np.zeros(SHAPE, bool)
    expected[3, 1:8, 1:6] = True
    expected[3, 3:5, 3:5] = False
    assert np.array_equal(draw({"Hole": [(3, keyhole)]}).mask("Hole"), expected)


@pytest.mark.parametrize("digits", [2, 4, 6])
def test_an_outline_through_the_middles_of_voxels_has_its_own_area(draw: Draw, digits: int) -> None:
    mask = draw({"Box": [(1, rectangle(1, 2, 5, 6))]}, digits=digits).mask("Box")
    assert mask.sum() == 4 * 4
    assert mask[1, 1:5, 2:6].all()


def test_a_round_outline_has_the_area_of_a_circle_and_the_voxels_whose_middles_are_in_it() -> None:
    grid = Grid(100, 60, (0.5, 0.8), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), ((0.0, 0.0, 0.0),))
    turns = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    points = np.stack([24.1 + 19 * np.cos(turns), 25.2 + 19 * np.sin(turns), np.zeros_like(turns)], axis=1)
    plane = np.zeros((100, 60), bool)
    ContourFiller(grid).toggle(plane, Contour("CLOSED_PLANAR", points), 0)
    rows, columns = np.indices(plane.shape)
    distances = np.hypot(columns * 0.8 - 24.1, rows * 0.5 - 25.2)
    assert not (plane & (distances > 19.01)).any()
    assert plane[distances < 18.99].all()
    assert plane.sum() * 0.4 == pytest.approx(np.pi * 19**2, rel=0.005)


def test_an_outline_of_many_corners_is_filled_like_one_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Grid(40, 30, (1.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), ((0.0, 0.0, 0.0),))
    columns = np.arange(5.25, 20, 0.25)
    # up and down, sixty times
    comb = [(column, 5.5 if number % 2 else 30.5, 0.0) for number, column in enumerate(columns)]
    contour = Contour("CLOSED_PLANAR", np.array([(5.0, 30.5, 0.0), *comb, (20.0, 30.5, 0.0)]))
    whole, parts = np.zeros((40, 30), bool), np.zeros((40, 30), bool)
    ContourFiller(grid).toggle(whole, contour, 0)
    monkeypatch.setattr(contours, "_EDGES_AT_ONCE", 7)
    ContourFiller(grid).toggle(parts, contour, 0)
    assert whole.any()
    assert np.array_equal(whole, parts)


def test_a_structure_with_too_many_contours_is_an_error(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure_set, "MOST_CONTOURS", 3)
    found = draw({"Liver": [(2, rectangle(1, 1, 3, 3))] * 4})
    with pytest.raises(CheckError, match=r"'Liver' in rt\.dcm has more than 3 contours"):
        found.mask("Liver")


def test_a_structure_is_found_by_its_code(draw: Draw, masks: Any) -> None:
    def change(dataset: Any) -> None:
        item = pydicom.Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "10200004", "SCT", "Liver"
        dataset.RTROIObservationsSequence[0].RTROIIdentificationCodeSequence = [item]

    found = draw({"Leber": runs_of(masks["Liver"]), "Liver": runs_of(masks["Tumour"])}, change=change)
    assert found.find(codes.SCT.Liver).label == "Leber"
    assert found.find("Liver").number == 2
    with pytest.raises(CheckError, match=r"rt\.dcm has no structure 'Spleen'; it has 'Leber', 'Liver'"):
        found.voxels("Spleen")


def test_structures_and_segments_are_compared_with_each_other(
    organs: StructureSet, series: Series, masks: Any, tmp_path: Path
) -> None:
    path = write_segmentation(tmp_path / "seg.dcm", series, masks)
    seg = Segmentation(path, sources=[series])
    assert seg.compare(organs).meets(dice=1)
    assert seg.dice("Liver", organs.path) == 1.0
    assert organs.compare(path).meets(dice=1)


# --- what cannot be ---------------------------------------------------------------------------------------------------


def _contour(dataset: Any) -> Any:
    return dataset.ROIContourSequence[0].ContourSequence[0]


def _frame(dataset: Any) -> None:
    dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.9"


def _series(dataset: Any) -> None:
    study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    study.RTReferencedSeriesSequence[0].SeriesInstanceUID = "1.9"


def _number(dataset: Any) -> None:
    del dataset.StructureSetROISequence[0].ROINumber


@pytest.mark.parametrize(
    ("corners", "kind", "change", "words"),
    [
        pytest.param((2.3, rectangle(1, 1, 3, 3)), "CLOSED_PLANAR", None, "0.3 slices away from slice 3", id="between"),
        pytest.param((9, rectangle(1, 1, 3, 3)), "CLOSED_PLANAR", None, "4 slices away from slice 6", id="above"),
        pytest.param((2, rectangle(1, 1, 12, 3)), "CLOSED_PLANAR", None, "outside of the image", id="beside"),
        pytest.param((2, [(1, 1)]), "POINT", None, "has no closed contour, so it has no voxels", id="point"),
        pytest.param((2, rectangle(1, 1, 3, 3)), "OPEN_PLANAR", None, "has no closed contour", id="open"),
        pytest.param((2, rectangle(1, 1, 3, 3)), "CLOSED_PLANAR", _frame, "another frame of reference", id="frame"),
        pytest.param((2, rectangle(1, 1, 3, 3)), "CLOSED_PLANAR", _series, "is not among the input", id="series"),
        pytest.param((2, rectangle(1, 1, 3, 3)), "CLOSED_PLANAR", _number, "without a number", id="number"),
        pytest.param(
            (2, rectangle(1, 1, 3, 3)),
            "CLOSED_PLANAR",
            lambda dataset: setattr(_contour(dataset), "ContourData", ["1", "2"]),
            "contour 1 of 'Liver' in rt.dcm has no points that can be read",
            id="numbers",
        ),
        pytest.param(
            (2, rectangle(1, 1, 3, 3)),
            "CLOSED_PLANAR",
            lambda dataset: setattr(_contour(dataset), "ContourData", ["1e300"] * 9),
            "does not lie on a slice|lies outside of the image",
            id="far away",
        ),
        pytest.param(
            (2, rectangle(1, 1, 3, 3)),
            "CLOSED_PLANAR",
            lambda dataset: delattr(dataset, "ROIContourSequence"),
            "has no closed contour",
            id="nothing",
        ),
    ],
)
def test_a_structure_without_voxels_on_the_source_says_why(
    draw: Draw, corners: Any, kind: str, change: Any, words: str
) -> None:
    with pytest.raises(CheckError, match=words):
        draw({"Liver": [corners]}, kind=kind, change=change or (lambda dataset: None)).mask("Liver")


def test_contours_that_cross_slices_are_refused(draw: Draw, series: Series) -> None:
    def tilt(dataset: Any) -> None:
        assert series.geometry is not None
        points = [series.geometry.position(index, row, 2) for index, row in ((2, 1), (2, 3), (3, 3))]
        _contour(dataset).ContourData = [f"{value:.4f}" for point in points for value in point]

    with pytest.raises(CheckError, match="1 slices away from slice 3"):
        draw({"Liver": [(2, rectangle(1, 1, 3, 3))]}, change=tilt).mask("Liver")


def test_a_structure_set_of_another_series_says_which(draw: Draw, tmp_path: Path) -> None:
    other = read_input(write_series(tmp_path / "other", uid="1.2.3.7"))[0]
    verdict = draw({"Liver": [(2, rectangle(1, 1, 3, 3))]}).references(other)
    assert not verdict
    assert "it references series 1.2.3.4, not 1.2.3.7" in repr(verdict)
    assert any(line.startswith("its frame of reference is 1.2.3.4.9") for line in verdict.details)


def test_a_structure_set_without_references_was_drawn_on_the_series_in_its_frame(draw: Draw, masks: Any) -> None:
    def change(dataset: Any) -> None:
        del dataset.ReferencedFrameOfReferenceSequence

    assert np.array_equal(draw({"Liver": runs_of(masks["Liver"])}, change=change).mask("Liver"), masks["Liver"])


def test_other_objects_are_not_read_as_a_structure_set(series: Series) -> None:
    with pytest.raises(CheckError, match=r"is not a structure set \(RTSTRUCT\) but CT Image Storage"):
        StructureSet(series.files[0])
