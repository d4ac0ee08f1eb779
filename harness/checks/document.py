"""DICOM objects of one kind that are read as a whole: captures, reports, documents."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from harness.checks.dicom_files import read_object
from harness.checks.second_opinion import Examined


class DicomDocument(Examined):
    """A DICOM object whose values are all read at once.

    Args:
        path: the file.

    Raises:
        CheckError: the file cannot be read, or is something else.
    """

    _KIND: ClassVar[str]
    """How messages call it."""
    _SOP_CLASSES: ClassVar[frozenset[str]]

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.dataset = read_object(self.path, self._KIND, self._SOP_CLASSES, complete=True)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path.name}>"
