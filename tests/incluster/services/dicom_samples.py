"""Small valid DICOM objects, made for one test."""

from __future__ import annotations

import io

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
SEG_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"


def image(series: str, study: str, number: int = 1, **values: object) -> Dataset:
    """One CT slice of 4 x 4 pixels; keyword arguments set further attributes."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID = CT_STORAGE
    dataset.SOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, study
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.Modality, dataset.PatientName, dataset.PatientID = "CT", "Müller^Ada", "pat-1"
    dataset.PatientBirthDate, dataset.StudyDate, dataset.StudyTime = "19800615", "20240614", "103000.5"
    dataset.SeriesDescription, dataset.InstanceNumber = "thorax", number
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SliceThickness, dataset.PixelSpacing = "2.5", ["0.5", "0.5"]
    dataset.FrameOfReferenceUID = "1.2.3"
    dataset.Rows = dataset.Columns = 4
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = bytes(range(32))
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def series(count: int = 2, *, study: str | None = None, **values: object) -> list[Dataset]:
    """The slices of a new series."""
    series_uid, study = generate_uid(), study or generate_uid()
    return [image(series_uid, study, number, **values) for number in range(1, count + 1)]


def segmentation(study: str) -> Dataset:
    """The attributes of a SEG that the metadata document shows (no complete SEG)."""
    labels = []
    for label in ("spleen", "liver"):
        item = Dataset()
        item.SegmentLabel, item.SegmentAlgorithmType, item.SegmentAlgorithmName = label, "AUTOMATIC", "otsu"
        labels.append(item)
    return image(generate_uid(), study, SOPClassUID=SEG_STORAGE, Modality="SEG", SegmentSequence=labels)


def encoded(dataset: Dataset) -> bytes:
    """The file's bytes."""
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def decoded(data: bytes) -> Dataset:
    """A dataset from bytes."""
    return pydicom.dcmread(io.BytesIO(data))
