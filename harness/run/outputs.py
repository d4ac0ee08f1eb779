"""The DICOM objects that a run sent to the platform's receiver."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.checks import questions
from harness.checks.classes import (
    ENCAPSULATED_PDF_STORAGE,
    PARAMETRIC_MAP_STORAGE,
    RT_STRUCTURE_STORAGE,
    SECONDARY_CAPTURE_CLASSES,
    STRUCTURED_REPORT_CLASSES,
)
from harness.errors import CheckError
from harness.run.items import RUN_FILE, Items
from harness.wire.dicom import SEGMENTATION_CLASSES

if TYPE_CHECKING:
    from harness.checks.captures import SecondaryCapture
    from harness.checks.encapsulated import EncapsulatedPdf
    from harness.checks.parametric_map import ParametricMap
    from harness.checks.segmentation import Segmentation
    from harness.checks.structure_set import StructureSet
    from harness.checks.structured_reports import StructuredReport
    from harness.checks.verdict import Verdict
    from harness.data.series import Series


@dataclasses.dataclass(frozen=True)
class SentObject:
    """A DICOM object that reached the platform's receiver; ``path`` is relative to ``directory``."""

    path: str
    sop_class: str
    sop_instance_uid: str
    series_instance_uid: str
    calling_ae: str
    called_ae: str
    directory: Path = dataclasses.field(repr=False, compare=False, default=Path())

    @property
    def file(self) -> Path:
        """The DICOM file as it came over the wire."""
        return self.directory / self.path

    @functools.cached_property
    def modality(self) -> str:
        """Its modality, e.g. ``SEG``; empty where it says none."""
        from harness.checks.absence import read_modality

        return read_modality(self.file)

    def dataset(self) -> Any:
        """Return the object, read by pydicom."""
        import pydicom

        return pydicom.dcmread(self.file)


class SentObjects(Items[SentObject]):
    """The DICOM objects that a run sent, in the order of arrival.

    Args:
        sources: the input of the run.
        directory: its evidence.
    """

    def __init__(
        self, items: Sequence[SentObject], sources: Sequence[Series] = (), directory: Path | None = None
    ) -> None:
        super().__init__(items)
        self._sources = tuple(sources)
        self._directory = directory

    @property
    def sources(self) -> tuple[Series, ...]:
        """The series that may have been segmented: the run's input; none of a run that was read from disk."""
        return self._sources

    def segmentations(self) -> list[Segmentation]:
        """Return all segmentations that came."""
        from harness.checks.segmentation import Segmentation

        found = [item for item in self if item.sop_class in SEGMENTATION_CLASSES]
        return [Segmentation(item.file, sources=self._sources) for item in found]

    def segmentation(self) -> Segmentation:
        """Return the one segmentation that came.

        Raises:
            CheckError: none or several were sent; the error lists all objects.
        """
        self._refuse_unless_one(SEGMENTATION_CLASSES, "segmentation")
        return self.segmentations()[0]

    def structure_sets(self) -> list[StructureSet]:
        """Return all RT structure sets that came."""
        from harness.checks.structure_set import StructureSet

        found = [item for item in self if item.sop_class == RT_STRUCTURE_STORAGE]
        return [StructureSet(item.file, sources=self._sources) for item in found]

    def structure_set(self) -> StructureSet:
        """Return the one RT structure set that came.

        Raises:
            CheckError: none or several were sent; the error lists all objects.
        """
        self._refuse_unless_one({RT_STRUCTURE_STORAGE}, "RT structure set")
        return self.structure_sets()[0]

    def parametric_maps(self) -> list[ParametricMap]:
        """Return all parametric maps that came."""
        from harness.checks.parametric_map import ParametricMap

        found = [item for item in self if item.sop_class == PARAMETRIC_MAP_STORAGE]
        return [ParametricMap(item.file, sources=self._sources) for item in found]

    def parametric_map(self) -> ParametricMap:
        """Return the one parametric map that came.

        Raises:
            CheckError: none or several came; what came instead is listed.
        """
        self._refuse_unless_one({PARAMETRIC_MAP_STORAGE}, "parametric map")
        return self.parametric_maps()[0]

    def secondary_captures(self) -> list[SecondaryCapture]:
        """Return all secondary captures that came."""
        from harness.checks.captures import SecondaryCapture

        return [SecondaryCapture(item.file) for item in self if item.sop_class in SECONDARY_CAPTURE_CLASSES]

    def secondary_capture(self) -> SecondaryCapture:
        """Return the one secondary capture that came.

        Raises:
            CheckError: none or several were sent; the error lists all objects.
        """
        self._refuse_unless_one(SECONDARY_CAPTURE_CLASSES, "secondary capture")
        return self.secondary_captures()[0]

    def structured_reports(self) -> list[StructuredReport]:
        """Return all structured reports that came."""
        from harness.checks.structured_reports import StructuredReport

        return [StructuredReport(item.file) for item in self if item.sop_class in STRUCTURED_REPORT_CLASSES]

    def structured_report(self) -> StructuredReport:
        """Return the one structured report that came.

        Raises:
            CheckError: none or several were sent; the error lists all objects.
        """
        self._refuse_unless_one(STRUCTURED_REPORT_CLASSES, "structured report")
        return self.structured_reports()[0]

    def encapsulated_pdfs(self) -> list[EncapsulatedPdf]:
        """Return all PDF documents that came as DICOM objects."""
        from harness.checks.encapsulated import EncapsulatedPdf

        return [EncapsulatedPdf(item.file) for item in self if item.sop_class == ENCAPSULATED_PDF_STORAGE]

    def encapsulated_pdf(self) -> EncapsulatedPdf:
        """Return the one PDF document that came as a DICOM object.

        Raises:
            CheckError: none or several were sent; the error lists all objects.
        """
        self._refuse_unless_one({ENCAPSULATED_PDF_STORAGE}, "encapsulated PDF")
        return self.encapsulated_pdfs()[0]

    @property
    def nothing(self) -> Verdict:
        """Whether the run sent nothing: ``assert run.sent.nothing``."""
        return self._judge("nothing sent", list(self))

    def none_of(self, *kinds: str) -> Verdict:
        """Return whether no object of these kinds was sent.

        Args:
            kinds: modalities, e.g. ``SEG``, or SOP classes by UID or keyword.

        Raises:
            CheckError: no kind is given, or one is neither of them.
        """
        self._check_kinds(kinds)
        return self._judge(f"none of {', '.join(kinds)} sent", [item for item in self if self._is_one_of(item, kinds)])

    def nothing_but(self, *kinds: str) -> Verdict:
        """Return whether all that was sent is of these kinds, see :meth:`none_of`; nothing at all is fine, too."""
        self._check_kinds(kinds)
        unwanted = [item for item in self if not self._is_one_of(item, kinds)]
        return self._judge(f"nothing but {', '.join(kinds)} sent", unwanted)

    def _check_kinds(self, kinds: Sequence[str]) -> None:
        from harness.checks.absence import check_kinds

        if not kinds:
            raise CheckError("name a modality or a SOP class", fix="that nothing at all was sent is run.sent.nothing")
        check_kinds(kinds, self)

    def _is_one_of(self, item: SentObject, kinds: Sequence[str]) -> bool:
        from harness.checks.absence import is_of_kind

        return any(is_of_kind(item, kind) for kind in kinds)

    def _judge(self, subject: str, unwanted: Sequence[SentObject]) -> Verdict:
        from harness.checks.differences import judge

        listed = [f"{item.modality or 'no modality'}: {_describe(item)}" for item in unwanted]
        verdict = judge(subject, listed, f"{len(self) or 'nothing'} sent")
        return questions.note_verdict(self._directory and self._directory / RUN_FILE, subject, verdict)

    def _refuse_unless_one(self, sop_classes: Collection[str], kind: str) -> None:
        count = sum(item.sop_class in sop_classes for item in self)
        if count != 1:
            raise CheckError(
                f"{count or 'no'} {kind}{'s' if count > 1 else ''} sent where exactly one is expected",
                last_seen="\n".join(_describe(item) for item in self) or "nothing was sent",
                evidence=str(self[0].file.parent) if len(self) else "",
            )


def _describe(item: SentObject) -> str:
    import pydicom

    name = pydicom.uid.UID(item.sop_class).name
    return f"{name} {item.sop_instance_uid} from {item.calling_ae} to {item.called_ae}: {item.path}"
