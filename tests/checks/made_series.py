"""A small CT series with an oblique grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from pydicom.sr.codedict import codes

from harness.data.series import Series

SHAPE = (6, 9, 7)
SPACING = (3.0, 1.5, 2.0)
ROW, COLUMN = np.array([0.8, 0.6, 0.0]), np.array([-0.6, 0.8, 0.0])
NORMAL = np.cross(ROW, COLUMN)


def write_series(
    folder: Path, *, uid: str, shift: Sequence[float] = (0, 0, 0), places: Sequence[float] | None = None
) -> Path:
    """A CT series whose files are named against the order of its slices.

    Args:
        places: millimetres along the normal; evenly spaced by default.
    """
    folder.mkdir(parents=True)
    places = [index * SPACING[0] for index in range(SHAPE[0])] if places is None else places
    for index, place in enumerate(places):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{uid}.{index + 1}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = "1.2.3", uid, f"{uid}.9"
        dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate, dataset.PatientSex = "p", "P^P", "", ""
        dataset.Modality, dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "CT", "1", 1, index + 1
        dataset.StudyDate = dataset.StudyTime = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
        dataset.Manufacturer = ""
        dataset.ImageOrientationPatient = [*map(float, ROW), *map(float, COLUMN)]
        position = np.array([10.0, -20.0, 5.0]) + np.array(shift) + place * NORMAL
        dataset.ImagePositionPatient = [round(float(value), 6) for value in position]
        dataset.PixelSpacing, dataset.SliceThickness = [SPACING[1], SPACING[2]], SPACING[0]
        dataset.Rows, dataset.Columns = SHAPE[1:]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
        dataset.PixelData = np.full(SHAPE[1:], index, np.uint16).tobytes()
        dataset.save_as(folder / f"{len(places) - index}.dcm", enforce_file_format=True)
    return folder


def asymmetric_masks() -> dict[str, Any]:
    """Return two labels without any symmetry, so that a flipped or transposed axis changes them."""
    liver = np.zeros(SHAPE, bool)
    liver[1:4, 2:8, 1:3] = True
    liver[3, 8, 6] = True
    tumour = np.zeros(SHAPE, bool)
    tumour[2, 3, 5] = True
    return {"Liver": liver, "Tumour": tumour}


def write_segmentation(
    path: Path,
    series: Series,
    masks: dict[str, Any],
    *,
    change: Callable[[Any], None] = lambda dataset: None,
    kind: hd.seg.SegmentationTypeValues = hd.seg.SegmentationTypeValues.BINARY,
) -> Path:
    """A segmentation of a series; ``change`` may damage the dataset before it is saved.

    The masks of a label map must not overlap.
    """
    images = [pydicom.dcmread(file) for file in series.files]
    algorithm = hd.AlgorithmIdentificationSequence("test", codes.DCM.ArtificialIntelligence, "1")
    segments = [
        hd.seg.SegmentDescription(
            number, label, codes.SCT.Organ, codes.SCT.Liver, hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC, algorithm
        )
        for number, label in enumerate(masks, 1)
    ]
    dataset = hd.seg.Segmentation(
        images,
        np.stack([mask.astype(np.uint8) for mask in masks.values()], axis=-1),
        kind,
        segments,
        "1.2.3.5",
        300,
        "1.2.3.5.1",
        1,
        "harness",
        "test",
        "1",
        "0",
    )
    change(dataset)
    dataset.save_as(path)
    return path
