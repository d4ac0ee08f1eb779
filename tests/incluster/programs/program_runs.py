"""A run's folder and a small series, for the tests of the programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

STUDY = "1.2.826.0.1.3680043.10.1.1"
SERIES = "1.2.826.0.1.3680043.10.1.1.7"
PROJECT = {
    "id": "00000000-0000-4000-8000-000000000001",
    "name": "admin",
    "s3_bucket": "project-admin",
    "opensearch_index": "project_admin",
}
# the highest resident size of a process since its start; what getrusage says is inherited from its parent
PRINT_PEAK_MEGABYTES = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) // 1024)
"""


@dataclass
class Ended:
    """How a program ended: exit status, standard output, standard error."""

    status: int
    output: str
    errors: str

    @property
    def cause(self) -> str:
        """The last line that the program said."""
        return (self.errors or self.output).strip().splitlines()[-1]


@dataclass
class Run:
    """A run's folder with its environment; paths are those of the host."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def conf(self, **forms: Any) -> None:
        """Write ``conf/conf.json``: the project and an empty form, and what is given."""
        (self.root / "conf").mkdir(exist_ok=True)
        content = {"project_form": PROJECT, "workflow_form": {}, **forms}
        (self.root / "conf" / "conf.json").write_text(json.dumps(content))

    def element(self, *parts: str, uid: str = SERIES) -> Path:
        """A folder of an element, made when it is missing."""
        folder = self.root.joinpath("batch", uid, *parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def files(self) -> set[str]:
        """All files below the run's folder, relative to it."""
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}


def slice_file(path: Path, values: np.ndarray, z: float, *, uid: str = SERIES, number: int = 1, **tags: Any) -> str:
    """Write one MR slice and return its SOPInstanceUID; ``values`` is int16 in (row, column) order."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = f"{uid}.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, uid
    dataset.FrameOfReferenceUID = f"{STUDY}.9"
    dataset.Modality, dataset.PatientID, dataset.PatientName = "MR", "p1", "P^1"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = dataset.StudyID = ""
    dataset.StudyDate, dataset.StudyTime, dataset.ReferringPhysicianName = "20200101", "101010", ""
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [-10, -20, z], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [1.0, 1.5], 2
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.PixelData = values.astype(np.int16).tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return str(dataset.SOPInstanceUID)


def volume(slices: int = 6) -> np.ndarray:
    """Values in (slice, row, column) order: a bright block of 300 in the dark, different in every slice."""
    values = np.zeros((slices, 16, 20), np.int16)
    values[:, 4:12, 5:15] = 300 + np.arange(slices)[:, None, None]
    return values


def series(folder: Path, *, slices: int = 6, uid: str = SERIES, **tags: Any) -> list[Path]:
    """Write a series as the get-input step does, ``<SOPInstanceUID>.dcm``."""
    values = volume(slices)
    paths = []
    for index in range(slices):
        paths.append(folder / f"{uid}.{index + 1}.dcm")
        slice_file(paths[-1], values[index], 2.0 * index, uid=uid, number=index + 1, **tags)
    return paths
