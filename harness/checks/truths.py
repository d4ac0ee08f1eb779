"""What a result may be compared with: arrays, NIfTI files, other DICOM objects, each on the voxels of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness import checks
from harness.checks.codes import Label, describe_label
from harness.checks.label_values import select_voxels
from harness.checks.masks import Mask
from harness.checks.nifti import NiftiMask
from harness.errors import CheckError
from harness.geometry.grid import Grid

TruthLabel: TypeAlias = "Label | int"
"""A label of a truth; the value of the voxels in a NIfTI file or an array."""


@runtime_checkable
class MaskSource(Protocol):
    """What has masks of its own: a segmentation, a structure set."""

    path: Path

    @property
    def frame_of_reference_uid(self) -> str:
        """UID of its frame of reference; empty where it has none."""

    @property
    def truth_labels(self) -> list[str]:
        """Its labels."""

    def truth_on(self, label: Label, truth_label: TruthLabel | None, planes: Grid) -> Mask:
        """Return a mask on the voxels of a grid."""


TruthLike: TypeAlias = "NDArray[Any] | Path | str | MaskSource | NiftiMask"


def open_truth(path: Path) -> MaskSource | NiftiMask:
    """Return the masks in a file.

    Raises:
        CheckError: it cannot be read, or is neither NIfTI nor a SEG nor an RT structure set.
    """
    if not path.is_file():
        raise CheckError(f"the truth {path} does not exist" if not path.exists() else f"the truth {path} is no file")
    if path.name.casefold().endswith((".nii", ".nii.gz")):
        return NiftiMask(path)
    return checks.open_regions(path)


def read_truth(
    truth: TruthLike, label: Label, truth_label: TruthLabel | None, *, planes: Grid, frame_of_reference_uid: str
) -> Mask:
    """Return the true mask of a label.

    Args:
        truth: an array in the order of the planes, a file, or an object with masks.
        label: of the result.
        truth_label: of the truth, where it differs.
        planes: the voxels of the result.
        frame_of_reference_uid: of the result; empty where it is not known.

    Raises:
        CheckError: the truth does not lie on these voxels, or has no such label.
    """
    source = open_truth(Path(truth)) if isinstance(truth, (str, Path)) else truth
    if isinstance(source, NiftiMask):
        return source.read(truth_label, planes)
    if isinstance(source, MaskSource):
        mine, its = frame_of_reference_uid, source.frame_of_reference_uid
        if mine and its and mine != its:
            raise CheckError(
                f"the truth {source.path.name} is in another frame of reference ({its}) than the result ({mine})",
                fix="compare with a truth that was drawn on the same images",
                evidence=str(source.path),
            )
        try:
            return source.truth_on(label, truth_label, planes)
        except CheckError as error:
            raise CheckError(
                f"the truth {source.path.name} cannot be used: {error.cause}",
                last_seen=error.last_seen,
                evidence=error.evidence or str(source.path),
                fix=error.fix,
            ) from None
    return _from_array(source, label, truth_label, planes)


def pair_truths(
    truth: TruthLike | Mapping[str, TruthLike], labels: Sequence[Label] | Mapping[Label, TruthLabel] | None
) -> list[tuple[Label, TruthLike, TruthLabel | None]]:
    """Return a truth, and its label where it differs, for each label.

    Args:
        truth: truths by label, or one that has several.
        labels: of the result; a mapping gives those of the truth.

    Raises:
        CheckError: a truth is missing, or nothing says which label is which.
    """
    wanted: dict[Label, TruthLabel | None] = {}
    if labels is not None:
        wanted = dict(labels) if isinstance(labels, Mapping) else dict.fromkeys(labels)
        if not wanted:
            raise CheckError("there is no label to compare")
    if isinstance(truth, Mapping):
        found: list[tuple[Label, TruthLike, TruthLabel | None]] = []
        for label, name in (wanted or dict.fromkeys(truth)).items():
            key = label if name is None else name
            if key not in truth:
                known = ", ".join(map(repr, truth)) or "none"
                raise CheckError(f"there is no truth of {describe_label(label)}; there are {known}")
            found.append((label, truth[str(key)], None))
        return found
    source = open_truth(Path(truth)) if isinstance(truth, (str, Path)) else truth
    if not wanted and isinstance(source, MaskSource):
        wanted = dict.fromkeys(source.truth_labels)
    if not wanted:
        named = source.path.name if isinstance(source, NiftiMask) else "an array"
        raise CheckError(
            f"{named} has values and not labels: which one is which is not given", fix='labels={"liver": 1} says so'
        )
    return [(label, source, name) for label, name in wanted.items()]


def _from_array(truth: Any, label: Label, truth_label: TruthLabel | None, planes: Grid) -> Mask:
    values = np.asarray(truth)
    if values.dtype.kind not in "biuf":
        raise CheckError(f"the truth of {describe_label(label)} is {type(truth).__name__}, not a mask or a file")
    if values.shape != planes.shape:
        raise CheckError(
            f"mask {describe_label(label)} has {planes.shape} voxels (slice, row, column), the truth {values.shape}",
            fix="compare with a mask on the grid of the series that was segmented",
        )
    return select_voxels(values, truth_label, f"the truth of {describe_label(label)}")
