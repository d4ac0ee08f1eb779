"""PDF documents into DICOM objects (operators 6.2). The program of Pdf2DcmOperator."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from harness.incluster.programs.common import ProgramError, RunFolder, parameter, require, say

_ENCAPSULATED_PDF = UID("1.2.840.10008.5.1.4.1.1.104.1")
# variables and attributes, in the platform's order of filling them from the reference
_FIELDS = (
    ("AETITLE", "ClinicalTrialProtocolID"),
    ("STUDY_UID", "StudyInstanceUID"),
    ("STUDY_DES", "StudyDescription"),
    ("PAT_ID", "PatientID"),
    ("PAT_NAME", "PatientName"),
)


def _fields(reference: Path | None) -> dict[str, str]:
    """Return the values of the parameters, or of the reference up to the first one that it lacks."""
    fields = {name: parameter(variable) for variable, name in _FIELDS}
    if reference is not None:
        dataset = pydicom.dcmread(reference, stop_before_pixels=True)
        for name in [name for name in fields if not fields[name]]:
            if name not in dataset:
                say(f"{reference.name} has no {name}: it and what follows are not taken from it")
                break
            fields[name] = str(dataset.get(name))
    return fields


def pack(pdf: Path, target: Path, fields: dict[str, str]) -> None:
    """Write an Encapsulated PDF object in a new series."""
    now, content = datetime.now(), pdf.read_bytes()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = _ENCAPSULATED_PDF, generate_uid()
    dataset: Any = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = _ENCAPSULATED_PDF, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = fields["StudyInstanceUID"] or generate_uid()
    dataset.SeriesInstanceUID, dataset.Modality, dataset.ConversionType = generate_uid(), "DOC", "WSD"
    dataset.PatientID, dataset.PatientName = fields["PatientID"], fields["PatientName"]
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = dataset.StudyID = ""
    dataset.StudyDate, dataset.StudyTime = "", ""
    dataset.ContentDate, dataset.ContentTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    dataset.AcquisitionDateTime = ""
    dataset.ReferringPhysicianName, dataset.Manufacturer = "", ""
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.BurnedInAnnotation = 1, 1, "YES"
    if fields["StudyDescription"]:
        dataset.StudyDescription = fields["StudyDescription"]
    if fields["ClinicalTrialProtocolID"]:
        dataset.ClinicalTrialProtocolID = fields["ClinicalTrialProtocolID"]
    dataset.DocumentTitle = parameter("PDF_TITLE") or "KAAPANA PDF"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.ConceptNameCodeSequence = pydicom.Sequence()
    dataset.EncapsulatedDocumentLength = len(content)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    dataset.save_as(target, enforce_file_format=True)


def main() -> None:
    """Pack the ``*.pdf`` of every element and of the run's own folder."""
    run = RunFolder.from_environment()
    done = 0
    for parent in (*run.elements(), run.root):
        files = sorted(run.inside(run.relative(parent), require("OPERATOR_IN_DIR")).glob("*.pdf"))
        if not files:
            continue
        reference: Path | None = None
        if folder := parameter("DICOM_IN_DIR"):
            found = sorted(run.inside(run.relative(parent), folder).glob("*.dcm*"))
            if not found:
                raise ProgramError(f"{run.relative(parent)}: no *.dcm in the reference folder {folder}")
            reference = found[0]
        output = run.inside(run.relative(parent), require("OPERATOR_OUT_DIR"))
        output.mkdir(parents=True, exist_ok=True)
        for pdf in files:
            target = output / pdf.name.replace("pdf", "dcm")
            pack(pdf, target, _fields(reference))
            say(f"{run.relative(pdf)} -> {run.relative(target)}")
            done += 1
    if not done:
        raise ProgramError("no files processed: no *.pdf in any input folder")
