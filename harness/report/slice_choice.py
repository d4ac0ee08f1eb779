"""Which slice of a volume says most: where a segmentation is, and where it differs from the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.report import text
from harness.report.overlay import Overlay
from harness.report.volume import GreyVolume

if TYPE_CHECKING:
    from harness.report.outcomes import RecordedQuestion


def find_focus(found: Overlay, below: GreyVolume) -> tuple[int, int, int]:
    """Return the middle of a segmentation on its fullest slice."""
    shown = [index for index in below.shown if index in found.slices]
    counts = {index: sum(int(np.count_nonzero(layer)) for layer in found.slices[index]) for index in shown}
    if not counts:
        return below.shown[len(below.shown) // 2], below.grid.rows // 2, below.grid.columns // 2
    index = max(counts, key=lambda slice_: counts[slice_])
    return index, *find_middle(np.any([layer != 0 for layer in found.slices[index]], axis=0))


def find_middle(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the voxel of a mask that is in its middle: rows and columns halved by count."""
    rows, columns = np.nonzero(mask)
    if not rows.size:
        return mask.shape[0] // 2, mask.shape[1] // 2
    return int(np.median(rows)), int(np.median(columns))


def find_most_differing(
    found: Overlay, truth: NDArray[np.bool_], segment: int, below: GreyVolume
) -> tuple[int, NDArray[np.bool_], NDArray[np.bool_], tuple[int, int]]:
    """Return the slice on which a segment and its truth differ most, both masks there, and all differing voxels."""
    shape = below.grid.shape[1:]
    masks = [found.mask(index, segment, shape) for index in range(below.grid.shape[0])]
    only_mine = [int(np.count_nonzero(mask & ~truth[index])) for index, mask in enumerate(masks)]
    only_truth = [int(np.count_nonzero(truth[index] & ~mask)) for index, mask in enumerate(masks)]
    index = max(below.shown, key=lambda slice_: (only_mine[slice_] + only_truth[slice_], masks[slice_].sum()))
    return index, masks[index], truth[index], (sum(only_mine), sum(only_truth))


def read_truth(directory: Path, question: RecordedQuestion) -> NDArray[np.bool_] | None:
    path = text.find_inside(directory, question.truth or "")
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            found: NDArray[np.bool_] = archive["mask"].astype(np.bool_)
    except (OSError, ValueError, KeyError):
        return None
    return found
