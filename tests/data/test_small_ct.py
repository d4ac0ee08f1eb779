"""The real CT series out of pydicom's own files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from harness.data import small_ct


def test_the_ct_is_a_regular_volume_that_simpleitk_reads_alike(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    series = small_ct(tmp_path)
    assert (series.name, series.modality, series.shape) == ("small_ct", "CT", (5, 16, 16))
    assert series.spacing == pytest.approx((2.5, 0.488281, 0.488281))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series.path), series.series_instance_uid))
    image = reader.Execute()
    assert image.GetSpacing() == pytest.approx(tuple(reversed(series.spacing)))
    assert image.GetOrigin() == pytest.approx(series.origin)
    stored = np.stack([pydicom.dcmread(path).pixel_array for path in series.files])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), stored - 1024)


def test_the_files_are_named_by_sop_instance_uid_and_unchanged(tmp_path: Path) -> None:
    series = small_ct(tmp_path)
    assert len(series.files) == 5
    for instance in series.instances:
        assert instance.path.name == f"{pydicom.dcmread(instance.path).SOPInstanceUID}.dcm"
    assert len(series.truth) == 0
    assert small_ct(tmp_path) == series


def test_processes_that_want_it_at_once_all_get_the_same_whole_series(tmp_path: Path) -> None:
    code = f"import pathlib, harness.data; print(len(harness.data.small_ct(pathlib.Path({str(tmp_path)!r})).files))"
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=60)[0].strip() for process in running] == ["5"] * 4
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["small-ct-1", "small-ct-1.lock"]
