"""Write a volume as a classic MR Image Storage series."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.series import Geometry, Instance

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from pydicom.dataset import FileDataset
    from pydicom.uid import UID

PATIENT_ID = "MNI152"
_DATE, _TIME = "20090101", "120000"


@dataclasses.dataclass(frozen=True)
class Uids:
    """The identifiers that all slices share."""

    study: str
    series: str
    frame_of_reference: str


def derive_uid(*parts: bytes | str) -> UID:
    """Return a UID under the 2.25 root that depends on the parts only: equal bytes get equal identifiers."""
    from pydicom.uid import UID

    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return UID(f"2.25.{uuid.UUID(bytes=digest.digest()[:16], version=5).int}")


def write(
    folder: Path, voxels: npt.NDArray[np.int16], geometry: Geometry, *, recipe: int
) -> tuple[tuple[Instance, ...], Uids]:
    """Write one ``<SOP Instance UID>.dcm`` for each slice.

    Args:
        folder: an existing folder.
        voxels: (slice, row, column), the stored values are the values (slope 1).
        geometry: of ``voxels``; slices along its slice direction.
        recipe: version of the attributes written here, part of the identifiers.
    """
    from pydicom.uid import MRImageStorage

    content = (f"kaapana-harness recipe {recipe}", repr(geometry), voxels.tobytes())
    uids = Uids(*(str(derive_uid(kind, *content)) for kind in ("study", "series", "frame of reference")))
    instances = []
    for index, pixels in enumerate(voxels):
        uid = derive_uid(uids.series, f"slice {index}")
        dataset = _slice(uid, uids, index, pixels, geometry)
        path = folder / f"{uid}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        instances.append(Instance(path, str(uid), str(MRImageStorage)))
    return tuple(instances), uids


def _slice(uid: UID, uids: Uids, index: int, pixels: npt.NDArray[np.int16], geometry: Geometry) -> FileDataset:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = derive_uid("kaapana-harness", "implementation")
    meta.ImplementationVersionName = "KAAPANA_HARNESS"
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)  # type: ignore[arg-type]  # no file yet
    # patient and study
    ds.PatientName = "MNI152^Average"
    ds.PatientID = PATIENT_ID
    ds.PatientBirthDate = ""
    ds.PatientSex = "O"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "Average of 152 volunteers, skull-stripped"
    ds.StudyInstanceUID = uids.study
    ds.StudyDate, ds.StudyTime, ds.StudyID = _DATE, _TIME, "1"
    ds.ReferringPhysicianName = ""
    ds.AccessionNumber = ""
    ds.StudyDescription = "MNI152 brain template"
    # series and equipment
    ds.Modality = "MR"
    ds.SeriesInstanceUID = uids.series
    ds.SeriesNumber = 1
    ds.SeriesDate, ds.SeriesTime = _DATE, _TIME
    ds.SeriesDescription = "MNI152 T1 average brain"
    ds.BodyPartExamined = "BRAIN"
    ds.PatientPosition = "HFS"
    ds.Manufacturer = "kaapana-harness"
    ds.ManufacturerModelName = "ICBM 2009a nonlinear symmetric"
    # frame of reference and plane
    ds.FrameOfReferenceUID = uids.frame_of_reference
    ds.PositionReferenceIndicator = ""
    ds.PixelSpacing = list(geometry.spacing[1:])
    ds.SliceThickness = geometry.spacing[0]
    ds.SpacingBetweenSlices = geometry.spacing[0]
    ds.ImageOrientationPatient = list(geometry.orientation)
    ds.ImagePositionPatient = list(geometry.position(index, 0, 0))
    ds.SliceLocation = geometry.position(index, 0, 0)[2]
    # image
    ds.SOPClassUID = MRImageStorage
    ds.SOPInstanceUID = uid
    ds.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    ds.InstanceNumber = index + 1
    ds.AcquisitionNumber = 1
    ds.ContentDate, ds.ContentTime = _DATE, _TIME
    ds.AcquisitionDate, ds.AcquisitionTime = _DATE, _TIME
    ds.ScanningSequence = "RM"
    ds.SequenceVariant = "NONE"
    ds.ScanOptions = ""
    ds.MRAcquisitionType = "3D"
    ds.RepetitionTime = None
    ds.EchoTime = None
    ds.EchoTrainLength = None
    ds.MagneticFieldStrength = None
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"
    # pixels
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.SmallestImagePixelValue, ds.LargestImagePixelValue = int(pixels.min()), int(pixels.max())
    ds.WindowCenter, ds.WindowWidth = 128, 256
    ds.PixelData = pixels.astype("<i2").tobytes()
    return ds
