"""What SEG objects and RT structure sets have in common for assertions: named masks on the grid of a source."""

from __future__ import annotations

import abc
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.checks import explanations, questions
from harness.checks.codes import Label, Region, describe_label, find_regions
from harness.checks.comparison import ComparedLabel, Comparison
from harness.checks.dicom_files import drop_damaged, read_object
from harness.checks.distances import SurfaceDistance, measure_surface_distance
from harness.checks.masks import Mask, Volume
from harness.checks.overlap import Dice
from harness.checks.second_opinion import Examined
from harness.checks.truths import TruthLabel, TruthLike, pair_truths, read_truth
from harness.checks.verdict import Verdict
from harness.data.series import Series
from harness.errors import CheckError
from harness.geometry.grid import Grid
from harness.wire.messages import join_names

# an object names itself in messages; a long list of labels is no help
_MOST_NAMED = 20


class Regions(Examined, abc.ABC):
    """A DICOM object with named regions.

    Args:
        path: the file.
        sources: the series that may have been segmented; masks are given on the grid of the one that the object
            references.

    Raises:
        CheckError: the file cannot be read, or is not of this kind.
    """

    sop_classes: frozenset[str]
    kind: str
    """What it is in messages, e.g. ``segmentation``."""

    parts: str
    """What its regions are called, e.g. ``segment``."""

    def __init__(self, path: Path | str, *, sources: Sequence[Series] = ()) -> None:
        self.path = Path(path)
        self._sources = tuple(sources)
        self.dataset = read_object(self.path, self.kind, self.sop_classes)
        self._damaged = drop_damaged(self.dataset)

    def __repr__(self) -> str:
        try:
            labels = ", ".join(region.label for region in self._regions) or "no label"
        except CheckError:
            labels = "labels that cannot be read"
        return f"<{type(self).__name__} {self.path.name} with {labels}>"

    @property
    @abc.abstractmethod
    def planes(self) -> Grid:
        """The true position of each slice of the masks."""

    @property
    @abc.abstractmethod
    def frame_of_reference_uid(self) -> str:
        """UID of the frame of reference of the object; empty where it has none."""

    @property
    @abc.abstractmethod
    def _regions(self) -> Sequence[Region]:
        """The regions in the order of their numbers."""

    @abc.abstractmethod
    def _mask_on(self, region: Region, planes: Grid) -> Mask:
        """Return the voxels of a region on a grid."""

    def find(self, label: Label) -> Region:
        """Return the region that a label names.

        Args:
            label: its text, in any case; the meaning of its code; ``(scheme, value)`` of its code, or such a code of
                ``pydicom.sr.codedict``.

        Raises:
            CheckError: no region fits, or several do.
        """
        found = find_regions(self._regions, label)
        if len(found) == 1:
            return found[0]
        wanted = describe_label(label)
        if found:
            raise CheckError(
                f"{len(found)} {self.parts}s of {self.path.name} are labelled {wanted}: {_list(found)}",
                evidence=str(self.path),
            )
        raise CheckError(
            f"{self.path.name} has no {self.parts} {wanted}; it has {_list(self._regions)}",
            last_seen="\n".join(map(str, self._regions)) if any(region.codes for region in self._regions) else "",
            evidence=str(self.path),
        )

    def mask(self, label: Label) -> Mask:
        """Return the voxels of one label, ``(slice, row, column)`` on :attr:`planes`.

        Raises:
            CheckError: there is no such label, or it does not lie on the voxels of the source.
        """
        return self._mask_on(self.find(label), self.planes)

    def truth_on(self, label: Label, truth_label: TruthLabel | None, planes: Grid) -> Mask:
        """Return the voxels of a label on another grid, for a comparison with this object as the truth."""
        if isinstance(truth_label, int):
            raise CheckError(f"{self.path.name} has labels and not values: {truth_label} names none of them")
        return self._mask_on(self.find(label if truth_label is None else truth_label), planes)

    @property
    def truth_labels(self) -> list[str]:
        """The labels that others can be compared with."""
        return [region.label for region in self._regions]

    def voxels(self, label: Label) -> int:
        """Return the number of voxels of the label."""
        count = int(np.count_nonzero(self.mask(label)))
        self._note("voxels", str(count), label)
        return count

    def volume_ml(self, label: Label) -> Volume:
        """Return the volume of the label in millilitres; a slice stands for the space half way to its neighbours.

        It is a float; an assertion about it that fails says where its voxels are.
        """
        found = Volume.of(self.find(label).label, self.mask(label), self.planes)
        explanations.note(found, sys._getframe(1))
        self._note("volume_ml", f"{found:.2f} ml", label)
        return found

    def dice(self, label: Label, truth: TruthLike, *, truth_label: TruthLabel | None = None) -> Dice:
        """Return the Dice coefficient, 0 to 1, of the label and the truth.

        It is a float; an assertion about it that fails says where the masks differ.

        Args:
            label: see :meth:`find`.
            truth: a mask in the source's ``(slice, row, column)`` order; a NIfTI file, a DICOM SEG or an RT structure
                set on its voxels.
            truth_label: which label of the truth, where it has another one; the value in a NIfTI file.

        Raises:
            CheckError: the label is missing, or the truth does not lie on the voxels of the source, or both are empty.
        """
        mine, other = self._pair(label, truth, truth_label)
        self._refuse_both_empty(label, mine, other)
        found = Dice.of(self.find(label).label, mine, other, self.planes)
        explanations.note(found, sys._getframe(1))
        self._note("dice", f"{found:.4f}", label, other)
        return found

    def surface_distance(
        self, label: Label, truth: TruthLike, *, truth_label: TruthLabel | None = None
    ) -> SurfaceDistance:
        """Return the distances between the surfaces of the label and of the truth, in millimetres.

        ``hausdorff_mm``, ``p95_mm`` and ``mean_mm`` are floats; an assertion about one that fails says where.

        Args:
            label, truth, truth_label: see :meth:`dice`.

        Raises:
            CheckError: as :meth:`dice`; or one of the masks is empty, or the slices are not evenly spaced.
            UsageError: SimpleITK is not installed.
        """
        mine, other = self._pair(label, truth, truth_label)
        found = measure_surface_distance(self.find(label).label, mine, other, self.planes)
        answer = f"at most {found.hausdorff_mm:.2f} mm, 95 % within {found.p95_mm:.2f} mm, mean {found.mean_mm:.2f} mm"
        self._note("surface_distance", answer, label, other)
        return found

    def compare(
        self,
        truth: TruthLike | Mapping[str, TruthLike],
        labels: Sequence[Label] | Mapping[Label, TruthLabel] | None = None,
        *,
        distances: bool = True,
    ) -> Comparison:
        """Return a table of labels beside their truths: dice, surface distances, volumes.

        Args:
            truth: truths by label, or one that has several: a DICOM SEG, an RT structure set, a label map.
            labels: which ones; those of the truth by default. A mapping gives the label of the truth, or its value in a
                NIfTI file, for each.
            distances: whether the surfaces are measured.

        Raises:
            CheckError: a label is missing, or a truth does not lie on the voxels of the source.
            UsageError: SimpleITK is not installed.
        """
        rows = []
        for label, true, truth_label in pair_truths(truth, labels):
            mine, other = self._pair(label, true, truth_label)
            self._refuse_both_empty(label, mine, other)
            row = ComparedLabel.of(self.find(label).label, mine, other, self.planes, distances=distances)
            rows.append(row)
            self._note("compare", row.line, label, other)
        return Comparison(self.path.name, rows)

    def _refuse_both_empty(self, label: Label, mine: Mask, other: Mask) -> None:
        if not mine.any() and not other.any():
            raise CheckError(
                f"mask {describe_label(label)} and the truth are both empty: a dice coefficient says nothing"
            )

    def _pair(self, label: Label, truth: TruthLike, truth_label: TruthLabel | None) -> tuple[Mask, Mask]:
        """Return the mask of a label, and the true one."""
        return self.mask(label), read_truth(
            truth, label, truth_label, planes=self.planes, frame_of_reference_uid=self.frame_of_reference_uid
        )

    def _note(self, question: str, answer: str, label: Label | None = None, truth: Mask | None = None) -> None:
        # the report finds the region by its label, whatever the test called it
        name = None if label is None else self.find(label).label
        questions.note(questions.Question(self.path, question, answer, name, truth))

    def _record(self, question: str, verdict: Verdict) -> Verdict:
        self._note(question, ("yes: " if verdict.ok else "NO: ") + verdict.summary)
        return verdict


def paste(target: Mask, plane: NDArray[np.bool_], at: tuple[int, int, int]) -> None:
    """Set a plane's voxels in a volume; voxels beyond the volume must be empty.

    Raises:
        CheckError: the plane has voxels outside of the volume.
    """
    row, column = np.nonzero(plane)
    index = np.stack([np.full_like(row, at[0]), row + at[1], column + at[2]])
    inside = np.all((index >= 0) & (index < np.asarray(target.shape)[:, np.newaxis]), axis=0)
    if not inside.all():
        raise CheckError(f"{int((~inside).sum())} voxels of the segmentation lie outside of the image it was made from")
    target[tuple(index)] = True


def _list(regions: Sequence[Region]) -> str:
    return join_names([repr(region.label) for region in regions], _MOST_NAMED) or "none"
