"""DICOM to volumes: grids, names, and what happens to what cannot be converted."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from tests.processing.processing_runs import SERIES, series, slice_file, volume

DIRS = {"OPERATOR_IN_DIR": "get-input-data", "OPERATOR_OUT_DIR": "dcm-converter"}


@pytest.mark.parametrize("extension", ["nrrd", "nii.gz", "nii"])
def test_a_series_becomes_one_volume_named_after_it_with_the_grid_of_the_series(execute, run_folder, extension):
    series(run_folder.element("get-input-data"))
    ended = execute("mitk-fileconverter", CONVERTTO=extension, **DIRS)
    assert ended.status == 0, ended.errors
    assert {path.name for path in run_folder.element("dcm-converter").iterdir()} == {f"{SERIES}.{extension}"}
    image = sitk.ReadImage(str(run_folder.element("dcm-converter") / f"{SERIES}.{extension}"))
    assert image.GetSpacing() == pytest.approx((1.5, 1.0, 2.0))
    assert image.GetOrigin() == pytest.approx((-10, -20, 0))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume())
    # the platform has another name for this one
    assert ("notice differs-on-platform: " in ended.output) is (extension == "nii")


def test_slices_are_sorted_by_position_and_not_by_name(execute, run_folder):
    folder = run_folder.element("get-input-data")
    for index, z in enumerate((4.0, 0.0, 2.0)):
        values = np.full((4, 4), int(z))
        slice_file(folder / f"1.{index}.dcm", values, z, number=index + 1)
    assert execute("mitk-fileconverter", **DIRS).status == 0
    image = sitk.ReadImage(str(run_folder.element("dcm-converter") / f"{SERIES}.nrrd"))
    assert sitk.GetArrayFromImage(image)[:, 0, 0].tolist() == [0, 2, 4]


def test_ct_values_are_hounsfield_units(execute, run_folder):
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1024, "Modality": "CT"}
    tags["SOPClassUID"] = "1.2.840.10008.5.1.4.1.1.2"
    series(run_folder.element("get-input-data"), **tags)
    assert execute("mitk-fileconverter", **DIRS).status == 0
    image = sitk.ReadImage(str(run_folder.element("dcm-converter") / f"{SERIES}.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume().astype(int) * 2 - 1024)


def test_a_single_slice_is_as_thick_as_it_says(execute, run_folder):
    series(run_folder.element("get-input-data"), slices=1)
    assert execute("mitk-fileconverter", **DIRS).status == 0
    image = sitk.ReadImage(str(run_folder.element("dcm-converter") / f"{SERIES}.nrrd"))
    assert image.GetSpacing() == pytest.approx((1.5, 1.0, 2.0))


def test_every_series_below_the_input_folder_becomes_a_volume_of_its_own(execute, run_folder):
    series(run_folder.element("get-input-data", "a"), uid=f"{SERIES}1")
    series(run_folder.element("get-input-data", "b"), uid=f"{SERIES}2")
    assert execute("mitk-fileconverter", **DIRS).status == 0
    names = {path.name for path in run_folder.element("dcm-converter").iterdir()}
    assert names == {f"{SERIES}1.nrrd", f"{SERIES}2.nrrd"}


def test_a_name_without_a_dot_before_its_extension_starts_no_conversion(execute, run_folder):
    slice_file(run_folder.element("get-input-data") / "slice0001.dcm", volume()[0], 0.0)
    ended = execute("mitk-fileconverter", **DIRS)
    assert ended.status == 0
    assert "notice name-without-dot: " in ended.output
    assert list(run_folder.element("dcm-converter").iterdir()) == []


def test_several_series_in_one_element_are_pointed_out(execute, run_folder):
    folder = run_folder.element("get-input-data")
    series(folder, uid="1.1")
    assert "notice" not in execute("mitk-fileconverter", **DIRS).output
    series(folder, uid="1.2")
    ended = execute("mitk-fileconverter", **DIRS)
    assert ended.status == 0
    assert "notice several-volumes: " in ended.output
    assert {path.name for path in run_folder.element("dcm-converter").iterdir()} == {"1.1.nrrd", "1.2.nrrd"}


def test_a_broken_file_fails_its_element_and_the_others_are_still_converted(execute, run_folder):
    (run_folder.element("get-input-data", uid="1.1") / "1.1.1.dcm").write_bytes(b"no dicom")
    series(run_folder.element("get-input-data", uid="1.2"), uid="1.2")
    ended = execute("mitk-fileconverter", THREADS="1", **DIRS)
    assert ended.status == 1
    assert "1.1: series 1 (1 file(s))" in ended.cause
    assert "batch/1.2/dcm-converter/1.2.nrrd" in run_folder.files()


def test_an_element_without_the_input_folder_is_skipped_but_none_with_it_is_a_failure(execute, run_folder):
    run_folder.element("other", uid="1.1")
    ended = execute("mitk-fileconverter", **DIRS)
    assert ended.status == 1
    assert "no element" in ended.cause
    series(run_folder.element("get-input-data", uid="1.2"), uid="1.2")
    assert execute("mitk-fileconverter", **DIRS).status == 0


def test_a_volume_that_is_there_already_is_kept(execute, run_folder):
    series(run_folder.element("get-input-data"))
    target = run_folder.element("dcm-converter") / f"{SERIES}.nrrd"
    target.write_text("mine")
    assert execute("mitk-fileconverter", **DIRS).status == 0
    assert target.read_text() == "mine"


def test_an_unknown_format_is_refused(execute, run_folder):
    ended = execute("mitk-fileconverter", CONVERTTO="mha", **DIRS)
    assert ended.status == 1
    assert "CONVERTTO is 'mha'" in ended.cause


def test_an_output_folder_outside_of_the_run_is_refused(execute, run_folder):
    series(run_folder.element("get-input-data"))
    ended = execute("mitk-fileconverter", OPERATOR_IN_DIR="get-input-data", OPERATOR_OUT_DIR="../../../../out")
    assert ended.status == 1
    assert "leads out of the run's folder" in ended.cause
    assert not (run_folder.root.parent.parent / "out").exists()
