"""An RT structure set for assertions: its structures, their contours, and their voxels on the slices of its source."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom

from harness.checks.classes import RT_STRUCTURE_STORAGE
from harness.checks.codes import Label, Region, read_codes
from harness.checks.contours import CLOSED, MOST_CONTOURS, Contour, ContourFiller, read_contour
from harness.checks.dicom import POSITION_TOLERANCE, as_series
from harness.checks.masks import Mask
from harness.checks.references import find_reference_problems, refuse_other_frame
from harness.checks.regions import Regions
from harness.checks.verdict import Verdict
from harness.data.series import Series
from harness.errors import CheckError
from harness.geometry.grid import Grid

# planning systems write positions to a tenth of a millimetre, some to a hundredth
_ROUNDED_MM: Final = 0.06


class StructureSet(Regions):
    """One RT structure set (PS3.3 A.19).

    Args:
        path: the file.
        sources: the series that it may have been drawn on; masks are given on the grid of the one that it references.

    Raises:
        CheckError: the file is not an RT structure set.
    """

    sop_classes = frozenset({RT_STRUCTURE_STORAGE})
    kind = "structure set (RTSTRUCT)"
    parts = "structure"

    @property
    def names(self) -> list[str]:
        """ROI Name of each structure, in the order of the ROI numbers."""
        names = [region.label for region in self._regions]
        self._note("names", ", ".join(names) or "none")
        return names

    @property
    def structures(self) -> list[Region]:
        """Number, name, codes and kind of algorithm of each structure."""
        return list(self._regions)

    def contours(self, label: Label) -> list[Contour]:
        """Return the contours of a structure, with their points in LPS millimetres.

        Raises:
            CheckError: there is no such structure, or a contour has no points.
        """
        return self._contours(self.find(label))

    def references(self, series: Series | Path | str) -> Verdict:
        """Return whether the structures were drawn on this series: series UID, images, frame of reference, study."""
        series = as_series(series)
        uids, images = read_rt_references(self.dataset)
        problems = find_reference_problems(
            "structure set",
            series,
            uids=uids,
            images=images,
            frames={self._frame_of_reference(region) for region in self._regions},
            study=str(self.dataset.get("StudyInstanceUID") or ""),
            images_needed=False,
        )
        verdict = Verdict.of_problems(f"drawn on {series.name}", problems, good=f"{len(images)} images referenced")
        return self._record("references", verdict)

    @functools.cached_property
    def planes(self) -> Grid:
        """The true position of each slice of the masks: those of the referenced source.

        Raises:
            CheckError: the source is not known, or not a volume.
        """
        source = find_rt_source(self.dataset, self._sources)
        if source is None:
            uids, _ = read_rt_references(self.dataset)
            raise CheckError(
                f"the series that {self.path.name} was drawn on is not among the input: contours have no voxels",
                last_seen=f"it references series {', '.join(sorted(uids)) or 'none'}",
                fix="StructureSet(path, sources=[series]) gives it",
                evidence=str(self.path),
            )
        if source.planes is None:
            why = source.problems[0].text if source.problems else "it has no geometry"
            raise CheckError(f"series {source.name} is not a volume: {why}")
        return source.planes

    @property
    def frame_of_reference_uid(self) -> str:
        """UID of the frame of reference of the structures; empty where they have several, or none."""
        found = {self._frame_of_reference(region) for region in self._regions}
        return found.pop() if len(found) == 1 else ""

    def _mask_on(self, region: Region, planes: Grid) -> Mask:
        source = find_rt_source(self.dataset, self._sources)
        mine = self._frame_of_reference(region)
        if source is not None:
            what = f"structure {region.label!r} of {self.path.name}"
            refuse_other_frame(what, mine, source, evidence=str(self.path))
        filler = ContourFiller(planes)
        result: Mask = np.zeros(planes.shape, np.bool_)
        contours = self._contours(region)
        closed = [contour for contour in contours if contour.kind in CLOSED and len(contour.points) > 2]
        if not closed:
            kinds = ", ".join(sorted({contour.kind or "no kind" for contour in contours})) or "none"
            raise CheckError(
                f"structure {region.label!r} of {self.path.name} has no closed contour, so it has no voxels",
                last_seen=f"its contours: {kinds}",
                evidence=str(self.path),
            )
        for contour in closed:
            index, off = filler.off_slice(contour)
            if off > max(POSITION_TOLERANCE, _ROUNDED_MM / planes.widths[index]):
                raise CheckError(
                    f"a contour of {region.label!r} does not lie on a slice of its source: it is {off:.2g} slices away "
                    f"from slice {index + 1} of {planes.shape[0]}",
                    fix="draw contours on the slices of the image",
                    evidence=str(self.path),
                )
            if filler.is_beyond(contour, index):
                raise CheckError(
                    f"a contour of {region.label!r} on slice {index + 1} lies outside of the image it was drawn on",
                    evidence=str(self.path),
                )
            filler.toggle(result[index], contour, index)
        return result

    def _contours(self, region: Region) -> list[Contour]:
        found: list[Contour] = []
        for item in self.dataset.get("ROIContourSequence") or []:
            if item.get("ReferencedROINumber") != region.number:
                continue
            for number, entry in enumerate(item.get("ContourSequence") or [], 1):
                contour = read_contour(entry)
                if contour is None:
                    raise CheckError(
                        f"contour {number} of {region.label!r} in {self.path.name} has no points that can be read",
                        evidence=str(self.path),
                    )
                if len(found) == MOST_CONTOURS:
                    raise CheckError(
                        f"{region.label!r} in {self.path.name} has more than {MOST_CONTOURS} contours",
                        evidence=str(self.path),
                    )
                found.append(contour)
        return found

    def _frame_of_reference(self, region: Region) -> str:
        for item in self.dataset.get("StructureSetROISequence") or []:
            if item.get("ROINumber") == region.number:
                return str(item.get("ReferencedFrameOfReferenceUID") or "")
        return ""

    @functools.cached_property
    def _regions(self) -> Sequence[Region]:
        codes = {
            item.get("ReferencedROINumber"): read_codes(item.get("RTROIIdentificationCodeSequence"))
            for item in self.dataset.get("RTROIObservationsSequence") or []
        }
        found = []
        for item in self.dataset.get("StructureSetROISequence") or []:
            number = item.get("ROINumber")
            if not isinstance(number, int):
                raise CheckError(f"{self.path.name} has a structure without a number", evidence=str(self.path))
            name = str(item.get("ROIName") or "").strip()
            algorithm = str(item.get("ROIGenerationAlgorithm") or "")
            found.append(Region(int(number), name, codes.get(number, ()), None, algorithm))
        return sorted(found, key=lambda region: region.number)


def read_rt_references(dataset: pydicom.Dataset) -> tuple[set[str], set[str]]:
    """Return the series UIDs and SOP instance UIDs of images that a structure set says it was drawn on."""
    series, images = set(), set()
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            for item in study.get("RTReferencedSeriesSequence") or []:
                series.add(str(item.get("SeriesInstanceUID", "")))
                images |= _read_images(item)
    for region in dataset.get("ROIContourSequence") or []:
        for contour in region.get("ContourSequence") or []:
            images |= _read_images(contour)
    return series, images


def find_rt_source(dataset: pydicom.Dataset, sources: Sequence[Series]) -> Series | None:
    """Return the series that a structure set was drawn on: the one it names, else the only one in its frame."""
    uids, _ = read_rt_references(dataset)
    for series in sources:
        if series.series_instance_uid in uids:
            return series
    frames = {
        str(item.get("ReferencedFrameOfReferenceUID") or "") for item in dataset.get("StructureSetROISequence") or []
    }
    fitting = [series for series in sources if series.frame_of_reference_uid in frames - {""}]
    return fitting[0] if len(fitting) == 1 and not uids else None


def _read_images(item: Any) -> set[str]:
    return {str(image.get("ReferencedSOPInstanceUID", "")) for image in item.get("ContourImageSequence") or []}
