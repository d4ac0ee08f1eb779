"""Binary files into DICOM objects and back (operators 6.1). The program of Bin2DcmOperator.

A file becomes one series of Raw Data objects; ImageComments carries its name. A file of odd length gets a byte at
its end, which stays when it is unpacked.
"""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from harness.incluster.programs.common import (
    ProgramError,
    RunFolder,
    comma_list,
    number,
    parameter,
    path_component,
    require,
    say,
)

_RAW_DATA = UID("1.2.840.10008.5.1.4.1.1.66")
_COMMENT = re.compile(r"(?P<stem>[^.]*)---(?P<count>[0-9]{1,5})(?P<suffixes>(\..*)?)")
_MAX_PART_MIB = 2**32 // 2**20 - 1  # the length of a value has 32 bits


def comment_of(name: str, count: int) -> str:
    """Return a file's name with the number of its parts: ``model---2.tar.gz`` for ``model.tar.gz`` in two parts."""
    stem, dot, suffixes = name.partition(".")
    return f"{stem}---{count}{dot}{suffixes}"


def name_of(comment: str, files: int) -> str:
    """Return the name of the file in ``files`` objects with this comment; a ProgramError if some are missing."""
    match = _COMMENT.fullmatch(comment)
    if not match:
        raise ProgramError(f"ImageComments {comment[:80]!r} names no packed file (<name>---<number of parts>)")
    if int(match["count"]) != files:
        raise ProgramError(f"{comment!r} has {match['count']} part(s), {files} *.dcm are there: one file in a folder")
    return path_component(match["stem"] + match["suffixes"], "the name of the packed file")


def _study(run: RunFolder, parent: Path) -> dict[str, str]:
    """Return the objects' study and patient: by parameters, then the source series, then the dataset's file."""
    fields = {
        "StudyInstanceUID": parameter("STUDY_UID"),
        "StudyID": parameter("STUDY_ID") or "bin2dcm",
        "PatientID": parameter("PATIENT_ID"),
        "PatientName": parameter("PATIENT_NAME"),
        "StudyDescription": parameter("STUDY_DESCRIPTION"),
        "ProtocolName": parameter("PROTOCOL_NAME"),
    }
    if (instance := parameter("INSTANCE_NAME") or "N/A") != "N/A":
        fields["PatientID"] = instance
    if not fields["StudyInstanceUID"] and (folder := parameter("DICOM_IN_DIR")):
        sources = sorted(run.inside(run.relative(parent), folder).glob("*.dcm*"))
        if sources:
            wanted = ["StudyInstanceUID", "StudyID", "PatientID"]
            source = pydicom.dcmread(sources[0], stop_before_pixels=True, specific_tags=wanted)
            fields.update({name: str(source.get(name, "") or fields[name]) for name in wanted})
    if folder := parameter("DATASET_INFO_OPERATOR_DIR"):
        path = run.inside(folder, "dataset.json")
        try:
            info = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ProgramError(f"{run.relative(path)} cannot be used: {error}") from None
        labels = info.get("labels") or {}
        fields["StudyDescription"] = fields["StudyDescription"] or ",".join(map(str, _label_texts(labels)))
        fields["ProtocolName"] = fields["ProtocolName"] or str(info.get("name", ""))
    fields["StudyInstanceUID"] = fields["StudyInstanceUID"] or generate_uid()
    return fields


def _label_texts(labels: Any) -> list[Any]:
    """Return the names of the labels of a ``dataset.json``: values of ``{"1": "liver"}``, keys of ``{"liver": 1}``."""
    if not isinstance(labels, dict):
        return list(labels) if isinstance(labels, list) else []
    return [key if isinstance(value, int | list) else value for key, value in labels.items()]


def encode(path: Path, output: Path, study: dict[str, str]) -> list[Path]:
    """Write one file as the instances of one series, at most ``SIZE_LIMIT_MB`` each (0: never split)."""
    limit = number("SIZE_LIMIT_MB", 100, 0, _MAX_PART_MIB) * 2**20
    size = path.stat().st_size
    if not limit and size >= _MAX_PART_MIB * 2**20:
        raise ProgramError(f"{path.name} has {size} bytes: too large for one object, give size_limit")
    count = max(1, -(-size // limit)) if limit else 1
    series, comment, now = generate_uid(), comment_of(path.name, count), datetime.now()
    written = []
    with path.open("rb") as stream:
        for part in range(1, count + 1):
            content = stream.read(limit) if limit else stream.read()
            meta = FileMetaDataset()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = _RAW_DATA, generate_uid()
            dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
            dataset.SOPClassUID, dataset.SOPInstanceUID = _RAW_DATA, meta.MediaStorageSOPInstanceUID
            dataset.SeriesInstanceUID, dataset.Modality = series, "OT"
            for name, value in study.items():
                setattr(dataset, name, value)
            dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = ""
            dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = f"{now:%Y%m%d}"
            dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = f"{now:%H%M%S}"
            dataset.SeriesDescription = parameter("SERIES_DESCRIPTION") or f"bin2dcm {now:%d.%m.%Y %H:%M}"
            dataset.Manufacturer = parameter("MANUFACTURER") or "KAAPANA"
            dataset.ManufacturerModelName = parameter("MANUFACTURER_MODEL") or "bin2dcm"
            dataset.CreatorVersionUID = parameter("VERSION") or "0.0.0"
            dataset.InstanceNumber = dataset.SeriesNumber = part
            dataset.ImageComments = comment
            dataset.add_new(0x7FE00010, "OW", content + b"\0" * (len(content) % 2))
            name = f"{comment}.dcm" if count == 1 else f"{comment}.{part}.dcm"
            written.append(output / name)
            dataset.save_as(written[-1], enforce_file_format=True)
    return written


def decode(files: list[Path], output: Path) -> Path:
    """Write the file that the objects of one folder carry."""
    datasets = sorted((pydicom.dcmread(path) for path in files), key=lambda d: int(d.get("InstanceNumber") or 0))
    name = name_of(str(datasets[0].get("ImageComments", "")), len(files))
    target = output / name
    with target.open("wb") as stream:
        for dataset in datasets:
            stream.write(dataset.PixelData)
    return target


def main() -> None:
    """Pack or unpack in every element and in the run's own folder; the first file that fits decides which."""
    run = RunFolder.from_environment()
    patterns = comma_list(os.environ.get("EXTENSIONS") or "*.zip")
    done = 0
    for parent in (*run.elements(), run.root):
        folder = run.inside(run.relative(parent), require("OPERATOR_IN_DIR"))
        files = sorted({path for pattern in patterns for path in folder.glob(pattern.strip()) if path.is_file()})
        if not files:
            continue
        output = run.inside(run.relative(parent), require("OPERATOR_OUT_DIR"))
        output.mkdir(parents=True, exist_ok=True)
        if ".dcm" in files[0].name:
            result = decode(sorted(folder.glob("*.dcm")), output)
            say(f"{run.relative(folder)} -> {run.relative(result)} ({result.stat().st_size} bytes)")
            done += 1
            continue
        for path in files:
            written = encode(path, output, _study(run, parent))
            say(f"{run.relative(path)} -> {len(written)} object(s), the first {run.relative(written[0])}")
            done += 1
    if not done:
        raise ProgramError(f"no files processed: nothing named {','.join(patterns)} in any input folder")
