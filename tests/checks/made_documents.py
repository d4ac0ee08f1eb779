"""DICOM objects that hold pictures and documents, and PDF files."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes

from harness.data.series import Series

VOLUMES = {"liver": 1512.25, "spleen": 210.5}
# a name of a library, and a finding for each group
_FINDINGS = {"liver": codes.SCT.Liver, "spleen": codes.SCT.Spleen}


def write_report(path: Path, series: Series, volumes: dict[str, float] = VOLUMES) -> Path:
    """A TID 1500 report with a group for each organ: its volume, and two intensities with derivations."""
    groups = []
    for number, (organ, volume) in enumerate(volumes.items(), 1):
        means = [
            Measurement(
                name=codes.DCM.AttenuationCoefficient,
                value=40.0 + number,
                unit=CodedConcept("[hnsf'U]", "UCUM", "Hounsfield unit"),
                derivation=derivation,
            )
            for derivation in (codes.SCT.Mean, codes.SCT.Maximum)
        ]
        groups.append(
            MeasurementsAndQualitativeEvaluations(
                tracking_identifier=TrackingIdentifier(uid=f"1.2.77.{number}", identifier=organ),
                finding_type=_FINDINGS[organ],
                measurements=[
                    Measurement(name=codes.SCT.Volume, value=volume, unit=CodedConcept("ml", "UCUM", "milliliter")),
                    *means,
                ],
            )
        )
    observer = ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(uid="1.2.78", name="the harness"),
    )
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer),
        procedure_reported=CodedConcept("25045-6", "LN", "CT unspecified body region"),
        imaging_measurements=groups,
    )
    report = ComprehensiveSR(
        evidence=[pydicom.dcmread(file) for file in series.files],
        content=content[0],
        series_instance_uid="1.2.79",
        series_number=1,
        sop_instance_uid="1.2.79.1",
        instance_number=1,
        manufacturer="harness",
        is_complete=True,
    )
    report.save_as(path)
    return path


def write_capture(path: Path, pixels: Any, series: Series, **attributes: Any) -> Path:
    """A secondary capture of grey values or colours of 8 bits."""
    capture = hd.sc.SCImage.from_ref_dataset(
        ref_dataset=pydicom.dcmread(series.files[0]),
        pixel_array=pixels,
        photometric_interpretation="RGB" if pixels.ndim == 3 else "MONOCHROME2",
        bits_allocated=8,
        coordinate_system="PATIENT",
        series_instance_uid="1.2.80",
        series_number=2,
        sop_instance_uid="1.2.80.1",
        instance_number=1,
        manufacturer="harness",
        patient_orientation=("L", "P"),
    )
    for name, value in attributes.items():
        setattr(capture, name, value)
    capture.save_as(path)
    return path


def gradient(rows: int = 4, columns: int = 6) -> Any:
    """Grey values that all differ."""
    return np.arange(rows * columns, dtype=np.uint8).reshape(rows, columns)


def make_pdf(pages: Sequence[str], *, streams: Sequence[bytes] = (), title: str = "") -> bytes:
    """A PDF with a line of text on each page.

    Args:
        streams: content streams of further pages, compressed.
    """
    contents = [f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode("latin-1") for text in pages]
    packed = [zlib.compress(content) for content in contents] + list(streams)
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(packed)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(packed)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, stream in enumerate(packed):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            + f"/Contents {5 + 2 * number} 0 R >>".encode()
        )
        head = f"<< /Length {len(stream)} /Filter /FlateDecode >>\nstream\n".encode()
        objects.append(head + stream + b"\nendstream")
    objects.append(f"<< /Title ({title}) >>".encode())
    data, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = (
        f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\nstartxref\n{len(data)}\n%%EOF\n"
    )
    return data + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{end}".encode()


def write_encapsulated(path: Path, data: bytes, **attributes: Any) -> Path:
    """An Encapsulated PDF object."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.EncapsulatedPDFStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.81.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = "1.2.3", "1.2.81", "DOC"
    dataset.InstanceNumber, dataset.AcquisitionDateTime, dataset.BurnedInAnnotation = 1, "", "NO"
    dataset.DocumentTitle, dataset.ConceptNameCodeSequence = "The volumes", []
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = data + b"\0" * (len(data) % 2)
    dataset.EncapsulatedDocumentLength = len(data)
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path
