"""The algorithm of the example extension, without its container."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

FOLDER = Path(__file__).parents[3] / "scenarios/otsus-method/extension/processing-containers/otsus-method/files"
SPEC = importlib.util.spec_from_file_location("otsus_method", FOLDER / "otsus_method.py")
otsus_method = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(otsus_method)


@pytest.fixture
def element(run_folder, monkeypatch):
    for name, value in {**run_folder.env, "OPERATOR_IN_DIR": "in", "OPERATOR_OUT_DIR": "otsus-method"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("THRESHOLD_BINS", raising=False)
    return run_folder.element


def hollow_block():
    """A bright block with a hole in it, and a bright speck far from it."""
    values = np.random.default_rng(0).integers(0, 20, (12, 16, 20)).astype(np.int16)
    values[2:10, 3:13, 4:16] += 200
    values[5:7, 7:9, 9:11] = 5
    values[0, 0, 0] = 250
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.5, 1.0, 2.0))
    image.SetOrigin((-3, 4, 5))
    return image


def test_the_mask_is_the_largest_bright_object_without_holes_on_the_grid_of_the_image(element):
    image = hollow_block()
    sitk.WriteImage(image, str(element("in") / "1.2.nrrd"))
    otsus_method.main()
    mask = sitk.ReadImage(str(element("otsus-method") / "1.2.nrrd"))
    expected = np.zeros((12, 16, 20), np.uint8)
    expected[2:10, 3:13, 4:16] = 1
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), expected)
    assert mask.GetSpacing() == image.GetSpacing()
    assert mask.GetOrigin() == image.GetOrigin()


def test_the_figures_of_the_report_are_beside_the_mask_under_a_name_that_is_not_the_masks(element, monkeypatch):
    monkeypatch.setenv("THRESHOLD_BINS", "64")
    sitk.WriteImage(hollow_block(), str(element("in") / "1.2.nrrd"))
    otsus_method.main()
    assert {path.name for path in element("otsus-method").iterdir()} == {"1.2.nrrd", "otsu.json"}
    figures = json.loads((element("otsus-method") / "otsu.json").read_text())
    assert figures["bins"] == 64
    assert 19 <= figures["threshold"] < 200  # 19 is the brightest of the dark voxels
    assert figures["volume_ml"] == pytest.approx(8 * 10 * 12 * 3.0 / 1000)


@pytest.mark.parametrize("bins", ["1", "4097", "many"])
def test_a_number_of_bins_that_makes_no_sense_is_refused(element, monkeypatch, bins):
    monkeypatch.setenv("THRESHOLD_BINS", bins)
    with pytest.raises(ValueError, match=bins):
        otsus_method.main()


def test_a_missing_volume_fails_the_task(element):
    element("in")
    with pytest.raises(SystemExit, match="no volume"):
        otsus_method.main()
