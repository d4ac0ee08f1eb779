"""DICOM SEG and RTSTRUCT objects back to masks (operators 5.3, 5.4)."""

from __future__ import annotations

import json
import shutil

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from tests.incluster.programs.program_runs import series, volume

SEG = {"OPERATOR_IN_DIR": "nrrd2dcmseg", "OPERATOR_OUT_DIR": "masks"}
SEGMENTS = (volume() > 100).astype(np.uint8)
SEGMENTS[:, 4:8][SEGMENTS[:, 4:8] == 1] = 5
SEGMENTS[0] = 0


@pytest.fixture
def seg(execute_tool, run_folder, request):
    """A SEG of two segments made from the series; the names are those that dcmqi's program gives."""
    series(run_folder.element("get-input-data"), **getattr(request, "param", {}))
    folder = run_folder.element("algo")
    image = sitk.GetImageFromArray(SEGMENTS)
    image.SetSpacing((1.5, 1.0, 2.0))
    image.SetOrigin((-10, -20, 0))
    sitk.WriteImage(image, str(folder / "all.nii.gz"))
    entries = [{"label_name": "Left Lung, upper/lobe", "label_int": 1}, {"label_name": "Liver", "label_int": 5}]
    (folder / "seg_info.json").write_text(json.dumps({"seg_info": entries}))
    ended = execute_tool(
        "dcmqi",
        OPERATOR_IN_DIR="get-input-data",
        OPERATOR_IMAGE_LIST_INPUT_DIR="algo",
        OPERATOR_OUT_DIR="nrrd2dcmseg",
        INPUT_TYPE="multi_label_seg",
        MULTI_LABEL_SEG_NAME="organs",
    )
    assert ended.status == 0, ended.errors


@pytest.mark.usefixtures("seg")
def test_every_segment_is_a_file_whose_voxels_have_its_number(execute_tool, run_folder):
    ended = execute_tool("mask2nifti", **SEG)
    assert ended.status == 0, ended.errors
    out = run_folder.element("masks")
    assert {path.name for path in out.iterdir()} == {
        "organs--1--leftlungupper++lobe.nii.gz",
        "organs--2--liver.nii.gz",
        "organs-meta.json",
    }
    image = sitk.ReadImage(str(out / "organs--2--liver.nii.gz"))
    values = sitk.GetArrayFromImage(image)
    assert set(np.unique(values)) == {0, 2}
    assert np.array_equal(values == 2, SEGMENTS == 5)
    assert image.GetSpacing() == pytest.approx((1.5, 1.0, 2.0))
    meta = json.loads((out / "organs-meta.json").read_text())
    found = [(group[0]["labelID"], group[0]["SegmentLabel"]) for group in meta["segmentAttributes"]]
    assert found == [(1, "Left Lung, upper/lobe"), (2, "Liver")]


@pytest.mark.usefixtures("seg")
def test_a_filter_drops_segments_from_folder_and_document(execute_tool, run_folder):
    assert execute_tool("mask2nifti", **SEG, SEG_FILTER="Liver , Heart").status == 0
    out = run_folder.element("masks")
    assert {path.name for path in out.glob("*.nii.gz")} == {"organs--2--liver.nii.gz"}
    meta = json.loads((out / "organs-meta.json").read_text())
    assert [group[0]["SegmentLabel"] for group in meta["segmentAttributes"]] == ["Liver"]


@pytest.mark.usefixtures("seg")
def test_the_other_operator_keeps_blanks_and_commas_in_names(execute_tool, run_folder):
    ended = execute_tool("dcmqi", **SEG, DCMQI_COMMAND="segimage2itkimage", SEG_FILTER="left lung upper/lobe")
    assert ended.status == 0, ended.errors
    out = run_folder.element("masks")
    assert {path.name for path in out.glob("*.nrrd")} == {"organs--1--left lung, upper++lobe.nrrd"}


@pytest.mark.parametrize("kind", ["nii", "nifti"])
@pytest.mark.usefixtures("seg")
def test_a_type_whose_files_dcmqi_names_differently_fails(execute_tool, kind):
    ended = execute_tool("mask2nifti", **SEG, OUTPUT_TYPE=kind)
    assert ended.status == 1
    assert "dcmqi wrote organs-1.nii.gz" in ended.cause


@pytest.mark.parametrize(
    ("problem", "cause"),
    [("no folder", "has no folder"), ("an image", "has the modality MR"), ("garbage", "not readable as DICOM")],
)
def test_an_object_that_is_not_a_segmentation_fails_unless_problems_are_skipped(
    execute_tool, run_folder, problem, cause
):
    if problem == "no folder":
        run_folder.element("other")
    elif problem == "an image":
        series(run_folder.element("nrrd2dcmseg"), slices=1)
    else:
        (run_folder.element("nrrd2dcmseg") / "x.dcm").write_bytes(b"nothing")
    ended = execute_tool("mask2nifti", **SEG)
    assert ended.status == 1
    assert cause in ended.cause
    if problem != "no folder":
        ended = execute_tool("mask2nifti", **SEG, EXIT_ON_ISSUE="False")
        assert "no files processed" in ended.cause


def rtstruct(path, *regions):
    """Write an RTSTRUCT of closed planar contours: (name, [(n, 3) points in mm, ...])."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.3.4"
    dataset.Modality = "RTSTRUCT"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = pydicom.Sequence(), pydicom.Sequence()
    for number, (name, contours) in enumerate(regions, start=1):
        region, item = pydicom.Dataset(), pydicom.Dataset()
        region.ROINumber, region.ROIName = number, name
        item.ReferencedROINumber, item.ContourSequence = number, pydicom.Sequence()
        for points in contours:
            contour = pydicom.Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [str(value) for point in points for value in point]
            item.ContourSequence.append(contour)
        dataset.StructureSetROISequence.append(region)
        dataset.ROIContourSequence.append(item)
    dataset.save_as(path, enforce_file_format=True)


def box(x1, x2, y1, y2, z):
    return [(x1, y1, z), (x2, y1, z), (x2, y2, z), (x1, y2, z)]


def test_contours_become_masks_on_the_grid_of_the_images_with_holes(execute, run_folder):
    series(run_folder.element("images"))
    # origin -10, -20, 0 and voxels of 1.5 x 1 x 2 mm: columns 2 to 7, rows 3 to 8 of slice 1, less columns 4, 5
    outer, hole = box(-7.75, 1.25, -17.5, -11.5, 2), box(-4.75, -1.75, -17.5, -11.5, 2)
    rtstruct(run_folder.element("rt") / "rt.dcm", ("Left Lung, upper/lobe", [outer, hole]), ("Spine", []))
    env = {"OPERATOR_IN_DIR": "rt", "OPERATOR_OUT_DIR": "masks", "BASE_DICOM_DIR": "images"}
    ended = execute("mask2nifti", **env)
    assert ended.status == 0, ended.errors
    out = run_folder.element("masks")
    name = "mask_1--1--Left-Lung-upperlobe"
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(out / f"{name}.nii.gz")))
    expected = np.zeros_like(values)
    expected[1, 3:9, 2:8] = 1
    expected[1, 3:9, 4:6] = 0
    assert np.array_equal(values, expected)
    meta = json.loads((out / f"{name}-meta.json").read_text())
    assert meta == {"segmentAttributes": [[{"SegmentLabel": "Left Lung upperlobe", "labelID": 1}]]}


def test_contours_without_the_images_fail_with_the_parameter_that_is_missing(execute, run_folder):
    rtstruct(run_folder.element("rt") / "rt.dcm", ("a", []))
    ended = execute("mask2nifti", OPERATOR_IN_DIR="rt", OPERATOR_OUT_DIR="masks")
    assert ended.status == 1
    assert "dicom_operator" in ended.cause


def measured():
    """A measurement of the second segment, as an author's container writes it."""
    code = {"CodeValue": "118565006", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Volume"}
    unit = {"CodeValue": "ml", "CodingSchemeDesignator": "UCUM", "CodeMeaning": "milliliter"}
    mean = {"CodeValue": "373098007", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Mean"}
    return {
        "TrackingIdentifier": "liver 1",
        "ReferencedSegment": 2,
        "SegSeriesFilename": "organs.dcm",
        "finding_keyword": "liver",
        "finding_site_keyword": "liver",
        "Measurement_list": [{"value": "12.5", "quantity": code, "units": unit, "derivationModifier": mean}],
    }


def test_measurements_become_a_structured_report(execute_tool, run_folder, seg):

    folder = run_folder.element("numbers")
    shutil.copy(run_folder.element("nrrd2dcmseg") / "organs.dcm", folder / "organs.dcm")
    group = measured()
    (folder / "numbers.json").write_text(json.dumps({"measurement_groups": [group]}))
    env = {"DCMQI_COMMAND": "tid1500writer", "OPERATOR_IN_DIR": "numbers", "OPERATOR_OUT_DIR": "sr"}
    ended = execute_tool("dcmqi", **env, SRC_DICOM_OPERATOR="get-input-data")
    assert ended.status == 0, ended.output + ended.errors
    report = pydicom.dcmread(run_folder.element("sr") / "numbers.dcm")
    assert report.Modality == "SR"
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.11"
    assert "12.5" in str(report)
    group["finding_keyword"] = "zzzz"
    (folder / "numbers.json").write_text(json.dumps({"measurement_groups": [group]}))
    ended = execute_tool("dcmqi", **env, SRC_DICOM_OPERATOR="get-input-data")
    assert "is not a term of the code table" in ended.cause


@pytest.mark.parametrize(
    "seg",
    [
        {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Люксембург^Роза"},
        {"SpecificCharacterSet": "GB18030", "PatientName": "Wang^XiaoDong=王^小东"},
        {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"},
    ],
    ids=["Cyrillic", "GB18030", "Japanese"],
    indirect=True,
)
def test_the_patient_of_a_report_has_the_name_of_the_source_in_its_letters(execute_tool, run_folder, seg, request):
    group = measured()
    (run_folder.element("numbers") / "numbers.json").write_text(json.dumps({"measurement_groups": [group]}))
    env = {"DCMQI_COMMAND": "tid1500writer", "OPERATOR_IN_DIR": "numbers", "OPERATOR_OUT_DIR": "sr"}
    ended = execute_tool("dcmqi", **env, SRC_DICOM_OPERATOR="get-input-data", SEG_DICOM_OPERATOR="nrrd2dcmseg")
    assert ended.status == 0, ended.output + ended.errors
    report = pydicom.dcmread(run_folder.element("sr") / "numbers.dcm")
    source = pydicom.dcmread(next(run_folder.element("get-input-data").glob("*.dcm")))
    assert report.PatientName == source.PatientName
    assert str(report.PatientName) == request.node.callspec.params["seg"]["PatientName"]


@pytest.mark.usefixtures("seg")
@pytest.mark.parametrize("program", ["mask2nifti", "dcmqi"])
def test_a_label_map_is_refused_as_the_platforms_tools_do(execute_tool, run_folder, program):
    path = run_folder.element("nrrd2dcmseg") / "organs.dcm"
    dataset = pydicom.dcmread(path)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.7"
    dataset.save_as(path)
    ended = execute_tool(program, **SEG, DCMQI_COMMAND="segimage2itkimage")
    assert ended.status == 1
    assert "organs.dcm is a label map (Label Map Segmentation Storage): the platform's dcmqi 1.2.5" in ended.cause


def seg_of_others(run_folder, kind="BINARY", numbers=(1, 2)):
    """A SEG that was written by another library, with these numbers of its segments."""
    series(run_folder.element("get-input-data"))
    images = [pydicom.dcmread(path) for path in run_folder.element("get-input-data").glob("*.dcm")]
    images.sort(key=lambda image: image.ImagePositionPatient[2])
    for image in images:
        image.Manufacturer = "Example Vendor"
    algorithm = highdicom.AlgorithmIdentificationSequence("a", codes.DCM.ArtificialIntelligence, "1")
    described = [
        highdicom.seg.SegmentDescription(
            number, f"part {number}", codes.SCT.Organ, codes.SCT.Liver,
            highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC, algorithm,
        )
        for number in (1, 2)
    ]  # fmt: skip
    block, share = volume() > 100, 0.5 if kind == "FRACTIONAL" else np.uint8(1)
    dataset = highdicom.seg.Segmentation(
        images, np.stack([block * share, ~block * share], axis=-1), kind, described,
        "1.2.3.5", 300, "1.2.3.5.1", 1, "h", "t", "1", "0",
    )  # fmt: skip
    for item, number in zip(dataset.SegmentSequence, numbers, strict=True):
        item.SegmentNumber = number
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        identification = frame.SegmentIdentificationSequence[0]
        identification.ReferencedSegmentNumber = numbers[identification.ReferencedSegmentNumber - 1]
    dataset.save_as(run_folder.element("nrrd2dcmseg") / "organs.dcm")


def test_the_masks_of_a_fractional_seg_have_its_fractions_and_that_is_pointed_out(execute_tool, run_folder):
    seg_of_others(run_folder, "FRACTIONAL")
    ended = execute_tool("mask2nifti", **SEG)
    assert ended.status == 0, ended.errors
    first = sitk.GetArrayFromImage(sitk.ReadImage(str(run_folder.element("masks") / "organs--1--part1.nii.gz")))
    assert set(np.unique(first)) == {0, 128}
    assert "notice fractional-segmentation: organs.dcm is FRACTIONAL" in ended.output


def test_segments_whose_numbers_have_gaps_are_named_where_dcmqi_only_fails(execute_tool, run_folder):
    seg_of_others(run_folder, numbers=(1, 5))
    ended = execute_tool("mask2nifti", **SEG)
    assert ended.status == 1
    assert (
        "dcmqi refuses organs.dcm: its segments are numbered 1, 5, they must count from 1 without gaps" in ended.cause
    )


def test_an_ordinary_seg_of_another_library_has_no_finding(execute_tool, run_folder):
    seg_of_others(run_folder)
    ended = execute_tool("mask2nifti", **SEG)
    assert ended.status == 0, ended.errors
    assert "notice" not in ended.output
