"""DICOM to volumes: grids, names, and what happens to what cannot be converted."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from tests.incluster.programs.program_runs import SERIES, series, slice_file, volume

DIRS = {"OPERATOR_IN_DIR": "get-input-data", "OPERATOR_OUT_DIR": "dcm-converter"}


@pytest.mark.parametrize(("converted", "extension"), [("nrrd", "nrrd"), ("nii.gz", "nii.gz"), ("nii", "nrrd")])
def test_a_series_becomes_one_volume_named_after_it_with_the_grid_of_the_series(
    execute, run_folder, converted, extension
):
    series(run_folder.element("get-input-data"))
    ended = execute("mitk-fileconverter", CONVERTTO=converted, **DIRS)
    assert ended.status == 0, ended.errors
    assert {path.name for path in run_folder.element("dcm-converter").iterdir()} == {f"{SERIES}.{extension}"}
    image = sitk.ReadImage(str(run_folder.element("dcm-converter") / f"{SERIES}.{extension}"))
    assert image.GetSpacing() == pytest.approx((1.5, 1.0, 2.0))
    assert image.GetOrigin() == pytest.approx((-10, -20, 0))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume())
    # a task that looks for *.nii* finds nothing
    assert ("notice differs-on-platform: output_format nii gives .nrrd files" in ended.output) is (converted == "nii")


def _deflated(dataset):
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian


def _big_endian(dataset):
    values = dataset.pixel_array
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = values.astype(">i2").tobytes()


def _implicit(dataset):
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


@pytest.mark.parametrize(
    "change",
    [
        _deflated,
        _big_endian,
        _implicit,
        lambda dataset: dataset.compress(RLELossless),
        lambda dataset: dataset.compress(JPEGLSLossless),
    ],
    ids=["deflated", "big endian", "implicit", "RLE", "JPEG-LS"],
)
def test_the_values_are_the_same_in_every_encoding(execute, run_folder, change):
    folder = run_folder.element("get-input-data")
    series(folder)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        change(dataset)
        big = dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
        implicit = dataset.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=not big, force_encoding=True)
    ended = execute("mitk-fileconverter", **DIRS)
    assert ended.status == 0, ended.errors
    image = sitk.ReadImage(str(run_folder.element("dcm-converter") / f"{SERIES}.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume())


def test_an_unsupported_compression_is_named(execute, run_folder):
    folder = run_folder.element("get-input-data")
    series(folder)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
        dataset.PixelData = encapsulate([b"a stream "])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.save_as(path)
    ended = execute("mitk-fileconverter", **DIRS)
    assert ended.status == 1
    assert (
        "compressed as High-Throughput JPEG 2000 Image Compression (Lossless Only) (1.2.840.10008.1.2.4.201)"
        in ended.cause
    )


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
    assert ": 1.1: series 1 (1 file(s))" in ended.cause
    assert "batch/1.2/dcm-converter/1.2.nrrd" in run_folder.files()


def test_an_element_without_the_input_folder_is_skipped_but_none_with_it_is_a_failure(execute, run_folder):
    run_folder.element("other", uid="1.1")
    ended = execute("mitk-fileconverter", **DIRS)
    assert ended.status == 1
    assert "no element" in ended.cause
    series(run_folder.element("get-input-data", uid="1.2"), uid="1.2")
    assert execute("mitk-fileconverter", **DIRS).status == 0


def test_an_existing_volume_is_kept(execute, run_folder):
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


def positions(run_folder, places, **tags):
    """Slices at these positions along z; each has its place as value."""
    folder = run_folder.element("get-input-data")
    for index, z in enumerate(places):
        values = np.full((16, 20), round(z))
        slice_file(folder / f"{SERIES}.{index + 1}.dcm", values, z, number=index + 1, **tags)
    return folder


@pytest.mark.parametrize("extension", ["nrrd", "nii.gz"])
@pytest.mark.parametrize(
    ("places", "text"),
    [
        ([0, 3, 6, 12, 15], f"a slice is missing between {SERIES}.3.dcm and {SERIES}.4.dcm: they are 6 mm apart"),
        ([0, 3, 6, 10, 13], "its slices are not evenly spaced: 3 mm from"),
        ([0, 3, 6, 0, 3, 6], "2 images lie at each of its 3 positions"),
    ],
)
def test_slices_that_are_not_one_volume_are_not_made_one_and_the_cause_names_the_files(
    execute, run_folder, extension, places, text
):
    positions(run_folder, places)
    ended = execute("mitk-fileconverter", CONVERTTO=extension, **DIRS)
    assert ended.status == 1
    assert f": series {SERIES} is not one volume: {text}" in ended.cause
    assert list(run_folder.element("dcm-converter").iterdir()) == []


def test_one_image_of_another_size_is_the_cause(execute, run_folder):
    folder = positions(run_folder, [0, 3, 6])
    slice_file(folder / f"{SERIES}.9.dcm", np.zeros((64, 80)), 9.0, number=9)
    ended = execute("mitk-fileconverter", **DIRS)
    assert ended.status == 1
    assert f"{SERIES}.9.dcm has 80 x 64 pixels (columns x rows), the other 3 images 20 x 16 pixels" in ended.cause


def test_a_tilted_stack_is_interpolated_where_its_slices_really_are(execute, run_folder):
    folder = run_folder.element("get-input-data")
    for index in range(6):  # a column of the patient along z, which runs through the tilted slices
        values = np.zeros((16, 20))
        values[10 - index, 8] = 100
        slice_file(
            folder / f"{SERIES}.{index + 1}.dcm",
            values,
            2.0 * index,
            number=index + 1,
            ImagePositionPatient=[-10, -20 + 1.0 * index, 2.0 * index],
        )
    ended = execute("mitk-fileconverter", **DIRS)
    assert ended.status == 0, ended.errors
    assert f"notice gantry-tilt: {SERIES}: its slices are shifted against each other, 5 mm from" in ended.output
    image = sitk.ReadImage(str(run_folder.element("dcm-converter") / f"{SERIES}.nrrd"))
    assert image.GetDirection() == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert image.GetSize() == (20, 21, 6)
    assert image.GetSpacing() == pytest.approx((1.5, 1.0, 2.0))
    for index in range(6):
        where = image.TransformPhysicalPointToIndex((-10 + 8 * 1.5, -10, 2.0 * index))
        assert image[where] == 100


def test_the_frames_of_an_enhanced_image_lie_where_they_say(execute, run_folder):
    from tests.incluster.programs.enhanced import write_enhanced

    folder = run_folder.element("get-input-data")
    for name, places in (("1.1", [0.0, 3.0, 6.0]), ("1.2", [6.0, 3.0, 0.0])):
        write_enhanced(folder / name / f"{name}.1.dcm", places, uid=name)
    ended = execute("mitk-fileconverter", **DIRS)
    assert ended.status == 0, ended.errors
    assert f"notice multi-frame-image: {SERIES}: 1.1.1.dcm holds 3 frames (Enhanced MR Image Storage)" in ended.output
    for name in ("1.1", "1.2"):
        image = sitk.ReadImage(str(run_folder.element("dcm-converter") / f"{name}.nrrd"))
        assert image.GetSpacing() == pytest.approx((1.5, 1.0, 3.0))
        for place in (0.0, 3.0, 6.0):
            assert image[image.TransformPhysicalPointToIndex((-10, -20, place))] == place


def test_frames_without_order_are_refused(execute, run_folder):
    from tests.incluster.programs.enhanced import write_enhanced

    write_enhanced(run_folder.element("get-input-data") / "1.1.dcm", [0.0, 6.0, 3.0])
    ended = execute("mitk-fileconverter", **DIRS)
    assert ended.status == 1
    assert (
        ended.cause == "FAILED mitk-fileconverter: the frames of 1.1.dcm are not stored in the order of their positions"
    )


def test_images_without_a_position_are_pointed_out(execute, run_folder):
    folder = positions(run_folder, [0, 3, 6])
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        del dataset.ImagePositionPatient
        dataset.save_as(path)
    ended = execute("mitk-fileconverter", **DIRS)
    assert ended.status == 0, ended.errors
    assert "notice no-position: " in ended.output
