"""Structured reports (SR) for assertions: title, content by concept, measurements with units."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pydicom.sr.coding import Code

from harness.checks import explanations, questions
from harness.checks.classes import STRUCTURED_REPORT_CLASSES
from harness.checks.codes import Label, describe_label
from harness.checks.dicom import as_series
from harness.checks.dicom_files import read_items, read_text
from harness.checks.document import DicomDocument
from harness.checks.measurements import Measurement
from harness.checks.report_content import ContentItem, read_content
from harness.checks.verdict import Verdict
from harness.data.series import Series
from harness.errors import CheckError

_LISTED: Final = 30
_NUMBER: Final = "NUM"


class StructuredReport(DicomDocument):
    """A structured report.

    Args:
        path: the file.

    Raises:
        CheckError: the file cannot be read, or is something else.
    """

    _KIND = "structured report"
    _SOP_CLASSES = STRUCTURED_REPORT_CLASSES

    @functools.cached_property
    def _content(self) -> tuple[ContentItem, list[ContentItem]]:
        return read_content(self.dataset, self.path.name)

    @functools.cached_property
    def _inner(self) -> dict[int, list[ContentItem]]:
        """The children of each item, by its identity: items with equal content are different ones."""
        found: dict[int, list[ContentItem]] = {}
        for item in self.items:
            found.setdefault(id(item.parents[-1]), []).append(item)
        return found

    @property
    def items(self) -> list[ContentItem]:
        """All content items below the root, each before those within it."""
        return self._content[1]

    @property
    def title(self) -> str:
        """Meaning of the concept of the whole report, e.g. ``Imaging Measurement Report``."""
        concept = self._content[0].concept
        return concept.meaning if concept else ""

    @property
    def text(self) -> str:
        """The content, a line for each item, indented by what is around it."""
        questions.note(questions.Question(self.path, "text", f"{len(self.items)} content items"))
        return "\n".join(f"{'  ' * (len(item.parents) - 1)}{item}" for item in self.items)

    def find(self, concept: Label) -> list[ContentItem]:
        """Return the items of a concept: by its meaning, as ``(scheme, value)``, or as a code of pydicom."""
        return [item for item in self.items if is_named(item.concept, concept)]

    def item(self, concept: Label) -> ContentItem:
        """Return the one item of a concept.

        Raises:
            CheckError: none fits, or more than one does.
        """
        found = self._one(self.find(concept), describe_label(concept), self.items, "content item")
        questions.note(questions.Question(self.path, describe_label(concept), str(found)))
        return found

    @property
    def measurements(self) -> list[Measurement]:
        """All measurements, in the order of the report; numbers without a value are left out."""
        return [self._read_measurement(item) for item in self.items if item.kind == _NUMBER and item.value]

    def measurement(self, concept: Label, *, of: str | Sequence[str] = (), unit: str | None = None) -> Measurement:
        """Return the one measurement of a concept: ``report.measurement("Volume", of="liver", unit="ml")``.

        Args:
            of: texts or codes that stand in its group or within it, e.g. tracking identifier, finding, derivation.
            unit: code of the unit in which it has to be.

        Raises:
            CheckError: none fits, more than one does, it has no value, or another unit.
        """
        numbers = [item for item in self.items if item.kind == _NUMBER]
        named = [item for item in numbers if is_named(item.concept, concept)]
        texts = (of,) if isinstance(of, str) else tuple(of)
        named = [item for item in named if all(self._is_about(item, text) for text in texts)]
        wanted = describe_label(concept) + (f" of {', '.join(map(repr, texts))}" if texts else "")
        item = self._one(named, wanted, numbers, "measurement")
        others = tuple(
            f"another one: {other} in {self._describe_group(other)}"
            for other in numbers
            if other is not item and item.concept and other.concept and other.concept == item.concept
        )
        found = self._read_measurement(item, others[:_LISTED])
        if unit is not None and (item.units is None or item.units.value != unit):
            has = f"in {item.units.value}" if item.units else "without a unit"
            raise CheckError(
                f"measurement {wanted} of {self.path.name} is {has}, not in {unit}", evidence=str(self.path)
            )
        questions.note(questions.Question(self.path, f"measurement {wanted}", str(found)))
        explanations.note(found, sys._getframe(1))
        return found

    def references(self, series: Series | Path | str) -> Verdict:
        """Return whether the report names the series among its evidence, with images of it and of no other study."""
        series = as_series(series)
        uids, images, studies = set(), set(), set()
        for name in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"):
            for study in read_items(self.dataset, name):
                studies.add(read_text(study, "StudyInstanceUID"))
                for item in read_items(study, "ReferencedSeriesSequence"):
                    uids.add(uid := read_text(item, "SeriesInstanceUID"))
                    if uid == series.series_instance_uid:
                        images |= {
                            read_text(one, "ReferencedSOPInstanceUID")
                            for one in read_items(item, "ReferencedSOPSequence")
                        }
        problems = []
        if not uids:
            problems.append("the report has no evidence")
        elif series.series_instance_uid not in uids:
            problems.append(f"its evidence is series {', '.join(sorted(uids))}, not {series.series_instance_uid}")
        elif foreign := images - {instance.sop_instance_uid for instance in series.instances}:
            problems.append(f"{len(foreign)} of {len(images)} images are not of the series, e.g. {min(foreign)}")
        elif series.study_instance_uid not in studies:
            problems.append(f"its evidence is of study {', '.join(sorted(studies))}, not {series.study_instance_uid}")
        verdict = Verdict.of_problems(f"made from {series.name}", problems, good=f"{len(images)} images named")
        return questions.note_verdict(self.path, "references", verdict)

    def _read_measurement(self, item: ContentItem, others: tuple[str, ...] = ()) -> Measurement:
        if not item.value:
            raise CheckError(f"measurement {item.name!r} of {self.path.name} has no value", evidence=str(self.path))
        return Measurement.of(item.number, item.concept, item.units, self._describe_group(item), self.path.name, others)

    def _is_about(self, item: ContentItem, text: str) -> bool:
        """Return whether a text stands beside an item or within it."""
        wanted = text.casefold()
        near = [*self._inner.get(id(item.parents[-1]), ()), *self._inner.get(id(item), ())]
        return any(
            other.kind != _NUMBER
            and (other.value.casefold() == wanted or bool(other.code and other.code.value.casefold() == wanted))
            for other in near
        )

    def _describe_group(self, item: ContentItem) -> str:
        """Return the place of an item, with the words that tell its group from others."""
        group = [*self._inner.get(id(item.parents[-1]), ()), *self._inner.get(id(item), ())]
        words = [str(other) for other in group if other.kind in {"TEXT", "CODE"}]
        return item.place + (f" ({', '.join(words[:4])})" if words else "")

    def _one(self, found: list[ContentItem], wanted: str, among: Iterable[ContentItem], what: str) -> ContentItem:
        if len(found) == 1:
            return found[0]
        listed = [f"{item} in {self._describe_group(item)}" for item in (found or among)]
        more = [f"... and {len(listed) - _LISTED} more"] if len(listed) > _LISTED else []
        raise CheckError(
            f"{self.path.name} has {len(found) or 'no'} {what}{'s' if len(found) > 1 else ''} {wanted}",
            last_seen="\n".join([*listed[:_LISTED], *more]) or f"it has no {what}",
            evidence=str(self.path),
            fix="name more of it, e.g. of=" if len(found) > 1 and what == "measurement" else "",
        )


def is_named(code: Code | None, label: Label) -> bool:
    """Return whether a code is the one that a test names."""
    if code is None:
        return False
    if isinstance(label, str):
        return code.meaning.casefold() == label.casefold()
    return bool(code == (label if isinstance(label, Code) else Code(label[1], label[0], "")))
