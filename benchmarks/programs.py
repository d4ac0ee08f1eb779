"""The platform's programs against the libraries they stand on, used directly, on a large series."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from benchmarks.figures import Figure
from harness import images
from harness.settings import Settings

_SLICES, _SIZE = 200, 512
_SERIES = "1.2.826.0.1.3680043.10.1.77"
_DATA = "/kaapana/mounted/data"
# what an author would write who has no operator for it
_CONVERT = """
import SimpleITK as sitk
reader = sitk.ImageSeriesReader()
reader.SetFileNames(reader.GetGDCMSeriesFileNames("{source}"))
image = reader.Execute()
sitk.WriteImage(image, "{target}")
"""
_AMEND = """
import sys, pydicom
source = pydicom.dcmread(sys.argv[1], stop_before_pixels=True)
result = pydicom.dcmread(sys.argv[2])
result.add_new(0x00120020, "LO", source.get("ClinicalTrialProtocolID", "internal"))
result.save_as(sys.argv[2])
"""
_MASK = """
import SimpleITK as sitk
sitk.WriteImage(sitk.Cast(sitk.ReadImage("{source}") > 500, sitk.sitkUInt8), "{target}", useCompression=True)
"""


def programs(folder: Path, rounds: int) -> list[Figure]:
    """DcmConverter and Itk2DcmSeg, each beside its library in the same image with the same limits."""
    image = images.ensure("processing", settings=Settings.load())
    root = folder / "programs"
    element = root / "run" / "batch" / _SERIES
    _write_series(element / "get-input-data")
    inside = f"{_DATA}/run/batch/{_SERIES}"
    source, volume = f"{inside}/get-input-data", f"{inside}/direct/volume.nrrd"
    (element / "direct").mkdir()
    (element / "algo").mkdir()
    converter, direct, seg, dcmqi = [], [], [], []
    for number in range(rounds):
        code = _CONVERT.format(source=source, target=volume)
        direct.append(_seconds(root, image, ["python", "-c", code]))
        variables = {"OPERATOR_IN_DIR": "get-input-data", "OPERATOR_OUT_DIR": f"volume-{number}"}
        converter.append(_seconds(root, image, _program("mitk-fileconverter"), variables))
    mask = f"{inside}/algo/mask.nrrd"
    _seconds(root, image, ["python", "-c", _MASK.format(source=volume, target=mask)])
    for number in range(rounds):
        meta = element / "algo" / "mask.json"
        meta.unlink(missing_ok=True)
        variables = {
            "OPERATOR_IN_DIR": "get-input-data",
            "OPERATOR_IMAGE_LIST_INPUT_DIR": "algo",
            "OPERATOR_OUT_DIR": f"seg-{number}",
            "SINGLE_LABEL_SEG_INFO": "liver",
        }
        seg.append(_seconds(root, image, _program("dcmqi"), variables))
        # the same document for both
        assert json.loads(meta.read_text("utf-8"))["segmentAttributes"]
        command = "$(python -c 'import dcmqi, os; print(os.path.dirname(dcmqi.__file__))')/bin/itkimage2segimage"
        command += f" --skip 0 --inputImageList {mask} --inputMetadata {inside}/algo/mask.json"
        result = f"{inside}/direct/seg-{number}.dcm"
        command += f" --outputDICOM {result} --inputDICOMDirectory {source}"
        # the platform's result has tags that dcmqi does not write (operators 4.3)
        command += f" && python -c '{_AMEND}' {source}/{_SERIES}.1.dcm {result}"
        dcmqi.append(_seconds(root, image, ["sh", "-c", command]))
    return [
        Figure("DcmConverter, 200 slices 512 x 512", converter, "s", ""),
        Figure("SimpleITK directly", direct, "s", ""),
        Figure("ratio of the two", _ratios(converter, direct), "", "<= 1.2"),
        Figure("Itk2DcmSeg, 200 slices 512 x 512", seg, "s", ""),
        Figure("dcmqi and pydicom directly", dcmqi, "s", ""),
        Figure("ratio of the two", _ratios(seg, dcmqi), "", "<= 1.2"),
    ]


def _ratios(ours: list[float], theirs: list[float]) -> list[float]:
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def _program(name: str) -> list[str]:
    return ["python", "-m", "harness.incluster.programs", name]


def _seconds(root: Path, image: str, command: list[str], variables: dict[str, str] | None = None) -> float:
    """One ``docker run`` with the run's folder, from start to end."""
    start = ["docker", "run", "--rm", "--network", "none", "--volume", f"{root}:{_DATA}"]
    for name, value in {"WORKFLOW_DIR": f"{_DATA}/run", "BATCH_NAME": "batch", **(variables or {})}.items():
        start += ["--env", f"{name}={value}"]
    clock = time.monotonic()
    subprocess.run([*start, image, *command], check=True, capture_output=True)
    return time.monotonic() - clock


def _write_series(folder: Path) -> None:
    """A CT series of noise around a ball."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:_SIZE, :_SIZE] - _SIZE / 2
    for number in range(_SLICES):
        height = (number - _SLICES / 2) * 2
        ball = rows**2 + columns**2 + height**2 < (_SIZE / 3) ** 2
        values = (1000 * ball + rng.integers(0, 200, ball.shape)).astype(np.int16)
        dataset = pydicom.Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"{_SERIES}.{number + 1}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{_SERIES}.0.1", _SERIES
        dataset.FrameOfReferenceUID, dataset.Modality = f"{_SERIES}.0.2", "CT"
        dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate, dataset.PatientSex = "p", "P", "", ""
        dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20200101", "101010", ""
        dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
        dataset.SeriesNumber, dataset.InstanceNumber = 1, number + 1
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 2.0 * number], [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing, dataset.SliceThickness = [1, 1], 2
        dataset.Rows, dataset.Columns = values.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
        dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
        dataset.PixelData = values.tobytes()
        dataset.save_as(folder / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
