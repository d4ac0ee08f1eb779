from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from harness.incluster.services.search.document import IndexedDocumentError, read, series_document
from tests.incluster.services import dicom_samples

NOW = datetime.datetime(2026, 1, 2, 23, 30, tzinfo=datetime.timezone.utc)


def document_of(**values: object) -> dict[str, Any]:
    dataset = dicom_samples.image(generate_uid(), generate_uid(), **values)
    return series_document(dataset, dataset_name="ds", project="p", now=NOW)


def test_keys_carry_tag_name_and_type() -> None:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.3", "1.2.4"
    document = document_of(ReferencedStudySequence=[item], ImageOrientationPatient=["1", "0", "0", "0", "1", "0"])
    expected = {
        "00080060 Modality_keyword": "CT",
        "00000000 CuratedModality_keyword": "CT",
        "00100010 PatientName_keyword_alphabetic": "Müller^Ada",
        "00100020 PatientID_keyword": "pat-1",
        "00100030 PatientBirthDate_date": "1980-06-15",
        "00080020 StudyDate_date": "2024-06-14",
        "00080030 StudyTime_time": "10:30:00.500000",
        "00180050 SliceThickness_float": 2.5,
        "00280030 PixelSpacing_float": [0.5, 0.5],
        "00280010 Rows_integer": 4,
        "00280002 SamplesperPixel_integer": 1,
        "00080008 ImageType_keyword": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "00200052 FrameofReferenceUID_keyword": "1.2.3",
        "00200037 ImageOrientation(Patient)_float": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "00081110 ReferencedStudySequence_object": {
            "00081150 ReferencedSOPClassUID_keyword": "1.2.3",
            "00081155 ReferencedSOPInstanceUID_keyword": "1.2.4",
        },
        "00120010 ClinicalTrialSponsorName_keyword": "ds",
        "00120020 ClinicalTrialProtocolID_keyword": "p",
        "00000000 PredictedBodypart_keyword": "N/A",
        "00000000 DerivedPatientAge_integer": 43,
    }
    assert {key: document.get(key) for key in expected} == expected
    assert not any("PixelData" in key for key in document)


def test_times_are_berlin_time_stored_as_utc() -> None:
    document = document_of(SeriesDate="20240115", SeriesTime="000500", AcquisitionDateTime="20240614103000.25")
    assert document["00000000 Timestamp_datetime"] == "2024-01-14 23:05:00.000000"
    assert document["00000000 DayOfWeek_integer"] == 6
    assert document["00000000 TimeTagUsed_keyword"] == "Series"
    assert document["0008002A AcquisitionDateTime_datetime"] == "2024-06-14 08:30:00.250000"
    assert document["00000000 TimestampArrived_datetime"] == "2026-01-02 23:30:00.000000"
    assert document["00000000 TimestampArrivedHour_integer"] == 23


def test_a_localizer_is_curated_as_xr() -> None:
    assert document_of(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])["00000000 CuratedModality_keyword"] == "XR"
    assert document_of(ImageType=["ORIGINAL", "LOCALIZER"])["00000000 CuratedModality_keyword"] == "CT"


def test_a_segmentation_lists_its_labels() -> None:
    document = series_document(dicom_samples.segmentation("1.2"), dataset_name="ds", project="p", now=NOW)
    assert document["00000000 AnnotationLabel_keyword"] == ["spleen", "liver"]
    assert document["00000000 AnnotationLabelsList_keyword"] == "liver,spleen"
    algorithm = document["00620002 SegmentSequence_object_object"]
    assert algorithm["00620009 SegmentAlgorithmName_keyword"] == "otsu"
    assert not any(key.startswith("00620002") and key.endswith("Sequence_object") for key in document)


def test_private_empty_and_broken_values_are_left_out() -> None:
    dataset = dicom_samples.image(generate_uid(), generate_uid(), StudyDate="", PatientBirthDate="19991399")
    dataset.add_new(0x00091001, "LO", "private")
    document = series_document(dataset, dataset_name="ds", project="p", now=NOW)
    assert not any(key.startswith(("0009", "00080020", "00100030")) for key in document)
    assert "00000000 Timestamp_datetime" not in document


def test_a_value_with_the_text_nan_is_skipped_as_on_the_platform() -> None:
    assert "00081030 StudyDescription_keyword" not in document_of(StudyDescription="Hernandez protocol")


def test_a_missing_modality_is_an_error() -> None:
    dataset = dicom_samples.image(generate_uid(), generate_uid())
    del dataset.Modality
    with pytest.raises(IndexedDocumentError, match="Modality"):
        series_document(dataset, dataset_name="ds", project="p", now=NOW)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "liver_1frame.dcm", "rtplan.dcm", "reportsi.dcm"])
def test_real_files_have_the_fields_that_get_input_needs(name: str) -> None:
    document = series_document(read(Path(str(get_testdata_file(name)))), dataset_name="ds", project="p", now=NOW)
    for key in ("0020000D StudyInstanceUID_keyword", "0020000E SeriesInstanceUID_keyword"):
        assert isinstance(document[key], str)
    assert document["00080060 Modality_keyword"] == document["00000000 CuratedModality_keyword"]
