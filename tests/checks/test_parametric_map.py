"""A parametric map has values in units on the slices where they lie, and says where they are not the expected ones."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from made_series import SHAPE, SPACING, write_series
from pydicom.sr.coding import Code

from harness.checks import ParametricMap
from harness.data import Series, read_input
from harness.errors import CheckError
from tests.inner_pytest import run as run_pytest

MM2_PER_S = Code("mm2/s", "UCUM", "mm2/s")
ADC = Code("113041", "DCM", "Apparent Diffusion Coefficient")
Make = Callable[..., ParametricMap]


def mapping(label: str = "ADC", **how: Any) -> hd.pm.RealWorldValueMapping:
    how = {"value_range": (0, 65535), "slope": 0.5, "intercept": -10.0, "quantity_definition": ADC} | how
    return hd.pm.RealWorldValueMapping(label, label, how.pop("unit", MM2_PER_S), **how)


@pytest.fixture
def stored() -> Any:
    return np.random.default_rng(1).integers(0, 4000, SHAPE).astype(np.uint16)


@pytest.fixture
def make(tmp_path: Path, series: Series) -> Make:
    """Makes a parametric map of the series."""

    def made(
        stored: Any,
        mappings: Any = None,
        *,
        source: Series = series,
        change: Callable[[Any], None] = lambda dataset: None,
        alone: bool = False,
        **how: Any,
    ) -> ParametricMap:
        dataset = hd.pm.ParametricMap(
            [pydicom.dcmread(file) for file in source.files],
            stored,
            "1.2.3.5",
            300,
            "1.2.3.5.1",
            1,
            "harness",
            "test",
            "1",
            "0",
            False,
            mappings or [mapping()],
            voi_lut_transformations=[hd.VOILUTTransformation(window_center=1000, window_width=2000)],
            **how,
        )
        change(dataset)
        dataset.save_as(tmp_path / "map.dcm")
        return ParametricMap(tmp_path / "map.dcm", sources=[] if alone else [source])

    return made


def test_values_are_the_stored_numbers_in_their_units_slice_by_slice(make: Make, stored: Any, series: Series) -> None:
    found = make(stored)
    assert found.labels == ["ADC"]
    assert found.units() == MM2_PER_S
    assert found.quantity() == ADC
    assert found.values() == pytest.approx(stored * 0.5 - 10)
    assert found.values("adc") is found.values(ADC)
    assert found.references(series)
    assert found.lies_on(series)
    assert found.matches(stored * 0.5 - 10)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_with_fractions_keep_them(make: Make, stored: Any, kind: Any) -> None:
    numbers = (stored / 7).astype(kind)
    found = make(numbers, [mapping(value_range=(-1e9, 1e9), slope=2.0, intercept=1.0)])
    assert np.array_equal(found.values(), numbers.astype(np.float64) * 2 + 1)


def test_a_table_maps_number_by_number_and_what_it_leaves_out_has_no_value(make: Make) -> None:
    stored = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.uint16) % 8
    table = [0.5, 0.25, -1.0, 4.0]
    found = make(stored, [mapping(value_range=(2, 5), slope=None, intercept=None, lut_data=table)]).values()
    for number in range(8):
        expected = table[number - 2] if 2 <= number <= 5 else np.nan
        assert np.array_equal(np.unique(found[stored == number]), [expected], equal_nan=True)


def test_numbers_outside_of_all_ranges_have_no_value(make: Make, stored: Any) -> None:
    def split(dataset: Any) -> None:
        """Two ranges of stored numbers, one label."""
        item = dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
        other = copy.deepcopy(item)
        item.RealWorldValueFirstValueMapped, item.RealWorldValueLastValueMapped = 0, 999
        other.RealWorldValueFirstValueMapped, other.RealWorldValueLastValueMapped = 1000, 1999
        other.RealWorldValueSlope = 2.0
        dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = [item, other]

    expected = np.where(stored < 1000, stored * 0.5 - 10, np.where(stored < 2000, stored * 2.0 - 10, np.nan))
    found = make(stored, change=split)
    assert found.matches(expected)
    statistics = found.statistics()
    assert statistics.undefined == (stored >= 2000).sum()
    assert statistics.maximum == stored[stored < 2000].max() * 2 - 10


def test_one_of_several_maps_is_chosen_by_its_label(make: Make, stored: Any) -> None:
    both = np.stack([stored, stored[::-1]], axis=-1)
    quantity = Code("113043", "DCM", "Perfusion Fraction")
    second = mapping("F", unit=Code("1", "UCUM", "no units"), slope=0.001, intercept=0.0, quantity_definition=quantity)
    found = make(both, [[mapping()], [second]])
    assert found.labels == ["ADC", "F"]
    assert found.matches(stored * 0.5 - 10, "ADC")
    assert found.matches(stored[::-1] * 0.001, quantity)
    assert found.matches(stored[::-1] * 0.001, ("DCM", "113043"))
    assert (found.units("F").value, found.statistics("F").mean.unit) == ("1", "")
    with pytest.raises(CheckError, match=r"map\.dcm has values of 2 labels, so that one has to be named: 'ADC', 'F'"):
        found.values()
    with pytest.raises(CheckError, match=r"map\.dcm has no values of 'T1'; it has 'ADC', 'F'"):
        found.values("T1")


def test_statistics_are_those_of_the_voxels_that_count(make: Make, stored: Any, masks: Any) -> None:
    values = stored * 0.5 - 10
    inside = values[masks["Liver"]]
    found = make(stored).statistics(mask=masks["Liver"])
    assert (found.count, found.undefined) == (37, 0)
    assert found.mean == pytest.approx(inside.mean())
    assert found.std == pytest.approx(inside.std())
    assert (found.minimum, found.maximum) == (inside.min(), inside.max())
    assert found.median == np.median(inside)
    assert found.percentile(90) == np.percentile(inside, 90)
    assert found.mean.in_words("x")[0] == f"mean of 'ADC' is {inside.mean():.6g} mm2/s: x"
    with pytest.raises(CheckError, match="a percentile is between 0 and 100, not 101"):
        found.percentile(101)
    with pytest.raises(CheckError, match="none of the 0 voxels of 'ADC' has a value"):
        make(stored).statistics(mask=np.zeros(SHAPE))
    with pytest.raises(CheckError, match=r"has \(6, 9, 7\) values \(slice, row, column\), the mask \(6, 9\)"):
        make(stored).statistics(mask=np.zeros(SHAPE[:2]))


def test_values_that_are_not_the_expected_ones_are_counted_and_placed(make: Make, stored: Any, masks: Any) -> None:
    expected = stored * 0.5 - 10
    expected[2, 3, 4] += 5
    expected[4, 8, 6] -= 2
    found = make(stored)
    verdict = found.matches(expected, abs=0.5)
    assert not verdict
    value = stored[2, 3, 4] * 0.5 - 10
    assert verdict.details == (
        f"2 of 378 values differ, most by 5 mm2/s: {value:.6g} instead of {value + 5:.6g} at values[2, 3, 4]",
        "they are in slices 3 to 5 of 6, all in values[2:5, 3:9, 4:7]",
    )
    assert found.matches(expected, abs=5)
    assert found.matches(expected, rel=1)
    assert found.matches(expected, mask=~(expected != stored * 0.5 - 10))
    expected[:] = stored * 0.5 - 10
    expected[0] = np.nan
    assert found.matches(expected).summary == "63 of 378 voxels have a value where none is expected"
    with pytest.raises(CheckError, match=r"the expected values \(5, 9, 7\)"):
        found.matches(expected[:5])
    with pytest.raises(CheckError, match="the tolerance rel is -1"):
        found.matches(expected, rel=-1)


def test_a_map_of_some_slices_lies_on_those_of_the_source(make: Make, stored: Any, series: Series) -> None:
    some = dataclasses.replace(series, instances=series.instances[1:5:3], geometry=None, grid=None)
    found = make(stored[1:5:3], source=some)
    assert found.planes.shape[0] == 2
    found = ParametricMap(found.path, sources=[series])
    assert np.array_equal(found.values()[[1, 4]], stored[1:5:3] * 0.5 - 10)
    assert np.isnan(found.values()[[0, 2, 3, 5]]).all()
    assert found.own_geometry.spacing[0] == pytest.approx(3 * SPACING[0])


def test_a_map_on_another_grid_than_its_source_has_its_own_slices(make: Make, stored: Any, series: Series) -> None:
    def change(dataset: Any) -> None:
        dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [0.75, 1.0]

    found = make(stored, change=change)
    assert found.planes.pixel_spacing == (0.75, 1.0)
    assert found.matches(stored * 0.5 - 10)
    verdict = found.lies_on(series)
    assert not verdict
    assert verdict.summary.startswith("spacing in mm (3, 0.75, 1) instead of (3, 1.5, 2)")


def test_a_map_of_another_series_says_which(make: Make, stored: Any, tmp_path: Path) -> None:
    other = read_input(write_series(tmp_path / "other", uid="1.2.3.7"))[0]
    assert "references series 1.2.3.4, not 1.2.3.7" in make(stored).references(other).summary


def _shared(dataset: Any) -> Any:
    return dataset.SharedFunctionalGroupsSequence[0]


def _no_units(dataset: Any) -> None:
    del _shared(dataset).RealWorldValueMappingSequence[0].MeasurementUnitsCodeSequence


def _no_slope(dataset: Any) -> None:
    del _shared(dataset).RealWorldValueMappingSequence[0].RealWorldValueSlope


def _no_range(dataset: Any) -> None:
    del _shared(dataset).RealWorldValueMappingSequence[0].RealWorldValueLastValueMapped


def _no_mapping(dataset: Any) -> None:
    del _shared(dataset).RealWorldValueMappingSequence


def _one_place(dataset: Any) -> None:
    first, second, *_ = dataset.PerFrameFunctionalGroupsSequence
    second.PlanePositionSequence = first.PlanePositionSequence


def _far(dataset: Any) -> None:
    dataset.PerFrameFunctionalGroupsSequence[-1].PlanePositionSequence[0].ImagePositionPatient = [0, 0, 1e9]


def _frame_of_reference(dataset: Any) -> None:
    dataset.FrameOfReferenceUID = "1.9"


def _no_frames(dataset: Any) -> None:
    dataset.PerFrameFunctionalGroupsSequence = []


def _pixels(dataset: Any) -> None:
    dataset.PixelData = dataset.PixelData[:10]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_no_units, "has a real world value mapping that cannot be used: it has no units"),
        (_no_slope, "has a real world value mapping that cannot be used: .*RealWorldValueSlope"),
        (_no_range, "it does not say for which numbers it is"),
        (_no_mapping, "has a frame without RealWorldValueMappingSequence: its numbers mean nothing"),
        (_one_place, "frames 1 and 2 have values of 'ADC' at one position"),
        (_far, r"a frame of map\.dcm is at \(0, 0, 1e\+09\) mm"),
        (_no_frames, "has no frame"),
        (_frame_of_reference, r"is in another frame of reference \(1\.9\) than the series it was made from"),
        (_pixels, "the pixels cannot be read"),
    ],
)
def test_a_map_without_values_says_why(make: Make, stored: Any, change: Callable[[Any], None], words: str) -> None:
    with pytest.raises(CheckError, match=words):
        make(stored, change=change).values()


def test_other_objects_are_not_read_as_a_parametric_map(series: Series) -> None:
    with pytest.raises(CheckError, match="is not a parametric map but CT Image Storage"):
        ParametricMap(series.files[0])


def test_failing_assertions_show_how_the_values_are_spread(
    inner: pytest.Pytester, make: Make, stored: Any, series: Series
) -> None:
    found = make(stored)
    inner.makepyfile(
        f"""
        import numpy
        from harness import ParametricMap
        MAP = ParametricMap({str(found.path)!r})
        def test_mean():
            assert MAP.statistics().mean < 5
        def test_computed():
            assert round(MAP.statistics().maximum) == 7
        def test_values():
            assert MAP.matches(numpy.zeros({SHAPE!r}), abs=0.5)
        """
    )
    result = run_pytest(inner)
    result.assert_outcomes(failed=3)
    assert "array(" not in result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "mean of 'ADC' is *mm2/s: asserted * < 5",
            "  378 voxels with values from * to * mm2/s; 5 % below *",
            "  at *",
            "maximum of 'ADC' is *mm2/s: assert * == 7",
            "  378 voxels *",
            "values of 'ADC' in map.dcm: NO, * of 378 values differ, most by * (and 1 more)",
            "*they are in slices 1 to 6 of 6, all in values[[]0:6, 0:9, 0:7[]]",
            "  at *: assert MAP.matches(*",
        ]
    )
