"""RT structures on the slices of their source: contours filled, as planning systems show them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.checks.contours import CLOSED, ContourFiller, read_contour
from harness.checks.masks import Mask
from harness.geometry.grid import Grid
from harness.report.overlay import MOST_SEGMENTS, Overlay, OverlayBuilder
from harness.report.volume import Deadline, UnshownError

_MOST_CONTOURS: Final = 50_000
# a contour belongs to the slice that it is within half of the spacing of
_HALF: Final = 0.5


def lay_structures(dataset: Any, grid: Grid, deadline: Deadline) -> Overlay:
    """Return the regions of a structure set as segments on a grid.

    Raises:
        UnshownError: it has no contour that can be read.
    """
    names = {
        _text(item, "ROINumber"): _text(item, "ROIName") or f"region {_text(item, 'ROINumber')}"
        for item in dataset.get("StructureSetROISequence", [])
    }
    regions = list(dataset.get("ROIContourSequence", []))[:MOST_SEGMENTS]
    if not regions:
        raise UnshownError("it has no contour")
    builder = OverlayBuilder(
        grid, [names.get(_text(item, "ReferencedROINumber"), "unnamed region") for item in regions]
    )
    filler = ContourFiller(grid)
    skipped = contours = 0
    for number, region in enumerate(regions):
        planes: dict[int, Mask] = {}
        for contour in region.get("ContourSequence", []):
            deadline.check()
            contours += 1
            if contours > _MOST_CONTOURS:
                raise UnshownError(f"it has more than {_MOST_CONTOURS} contours")
            found = read_contour(contour)
            if found is None or found.kind not in CLOSED or len(found.points) < 3:
                skipped += 1
                continue
            index, off = filler.off_slice(found)
            if off > _HALF:
                skipped += 1
                continue
            filler.toggle(planes.setdefault(index, np.zeros(grid.shape[1:], np.bool_)), found, index)
        for index, mask in planes.items():
            builder.add(number, mask, (index, 0, 0))
    return builder.result(
        f"{skipped} contours are not shown: points, or not on a slice of the source" if skipped else ""
    )


def _text(item: Any, name: str) -> str:
    return str(item.get(name, "")).strip()
