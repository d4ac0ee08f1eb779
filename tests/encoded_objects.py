"""A small DICOM object in every transfer syntax that pydicom knows."""

from __future__ import annotations

import io
import zlib

import pydicom
from pydicom.encaps import encapsulate
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, UID_dictionary, generate_uid

from tests.incluster.services import dicom_samples

# what is a transfer syntax of objects; the others are of mails, XML and a format that was given up
SYNTAXES = [
    UID(uid)
    for uid, entry in UID_dictionary.items()
    if entry[1] == "Transfer Syntax"
    and uid not in ("1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2", "1.2.840.10008.1.20")
]
DEFLATED = {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
REFERENCED = {"1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.204", "1.2.840.10008.1.2.4.205"}
NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"}


def file_of(syntax: UID) -> tuple[pydicom.Dataset, bytes, bytes]:
    """A dataset, its file, and what follows the file meta information."""
    dataset = dicom_samples.image(generate_uid(), generate_uid())
    if syntax in REFERENCED:
        del dataset.PixelData
        dataset.PixelDataProviderURL = "https://images.example/1"
    elif syntax not in NATIVE:
        dataset.PixelData = encapsulate([b"compressed, as far as this test knows"])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    body = io.BytesIO()
    big, implicit = syntax == "1.2.840.10008.1.2.2", syntax == "1.2.840.10008.1.2"
    writer = pydicom.filebase.DicomIO(body)
    writer.is_little_endian, writer.is_implicit_VR = not big, implicit
    pydicom.filewriter.write_dataset(writer, dataset)
    content = body.getvalue()
    if syntax in DEFLATED:
        packer = zlib.compressobj(wbits=-15)
        content = packer.compress(content) + packer.flush()
        content += b"\0" * (len(content) % 2)
    head = io.BytesIO()
    head.write(bytes(128) + b"DICM")
    write_file_meta_info(head, dataset.file_meta, enforce_standard=True)
    return dataset, head.getvalue() + content, content


def unpacked(syntax: UID, content: bytes) -> bytes:
    return zlib.decompress(content, wbits=-15) if syntax in DEFLATED else content
