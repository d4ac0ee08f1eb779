"""PDF documents in DICOM (Encapsulated PDF Storage)."""

from __future__ import annotations

import functools

from harness.checks import questions
from harness.checks.classes import ENCAPSULATED_PDF_STORAGE
from harness.checks.dicom_files import read_text
from harness.checks.document import DicomDocument
from harness.checks.pdf import PdfDocument
from harness.checks.verdict import Verdict


class EncapsulatedPdf(DicomDocument):
    """A DICOM object that holds a PDF document.

    Args:
        path: the file.

    Raises:
        CheckError: the file cannot be read, or is something else.
    """

    _KIND = "encapsulated PDF"
    _SOP_CLASSES = frozenset({ENCAPSULATED_PDF_STORAGE})

    @property
    def title(self) -> str:
        """Document Title of the object."""
        return read_text(self.dataset, "DocumentTitle")

    @functools.cached_property
    def document(self) -> PdfDocument:
        """The document that it holds."""
        return PdfDocument(f"the document in {self.path.name}", self._data, self.path)

    @property
    def text(self) -> str:
        """The words of all pages: blanks joined, and no empty lines."""
        return self.document.text

    @property
    def pages(self) -> list[str]:
        """The words of each page."""
        return self.document.pages

    @property
    def is_valid(self) -> Verdict:
        """Whether the object has the attributes that it must have (PS3.3 C.24.2), and holds a PDF."""
        problems = []
        if not self._data:
            problems.append("EncapsulatedDocument missing or empty")
        elif self._data[:5] != b"%PDF-":
            problems.append(f"its document is not a PDF: it begins {self._data[:20]!r}")
        if (kind := read_text(self.dataset, "MIMETypeOfEncapsulatedDocument")) != "application/pdf":
            problems.append(f"MIMETypeOfEncapsulatedDocument is {kind!r}, not 'application/pdf'")
        for keyword in ("BurnedInAnnotation", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality"):
            if not read_text(self.dataset, keyword):
                problems.append(f"{keyword} missing or empty")
        problems += [
            f"{keyword} missing"
            for keyword in ("DocumentTitle", "ConceptNameCodeSequence", "AcquisitionDateTime", "InstanceNumber")
            if keyword not in self.dataset
        ]
        length = read_text(self.dataset, "EncapsulatedDocumentLength")
        if length.isdigit() and len(self._data) not in {int(length), int(length) + 1}:
            problems.append(f"EncapsulatedDocumentLength is {length}, the document has {len(self._data)} bytes")
        verdict = Verdict.of_problems(f"valid encapsulated PDF {self.path.name}", problems, good="no problem")
        return questions.note_verdict(self.path, "is_valid", verdict)

    @property
    def _data(self) -> bytes:
        value = self.dataset.get("EncapsulatedDocument")
        return value if isinstance(value, bytes) else b""
