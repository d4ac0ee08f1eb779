"""RT structures on the slices of their source: contours filled, as planning systems show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from harness.geometry.grid import Grid, dot, vector
from harness.report.overlay import MOST_SEGMENTS, Overlay, OverlayBuilder
from harness.report.volume import Deadline, UnshownError

if TYPE_CHECKING:
    from harness.data.series import Series

RT_STRUCTURE_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.481.3"
_MOST_CONTOURS: Final = 50_000
_MOST_POINTS: Final = 20_000
# a contour belongs to the slice that it is within half of the spacing of
_HALF: Final = 0.5


def find_source(dataset: Any, sources: Sequence[Series]) -> Series | None:
    """Return the series whose frame of reference or images a structure set names."""
    referenced = {
        str(series.get("SeriesInstanceUID", ""))
        for frame in dataset.get("ReferencedFrameOfReferenceSequence", [])
        for study in frame.get("RTReferencedStudySequence", [])
        for series in study.get("RTReferencedSeriesSequence", [])
    }
    return next((series for series in sources if series.series_instance_uid in referenced), None)


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
    skipped = contours = 0
    for number, region in enumerate(regions):
        planes: dict[int, Any] = {}
        for contour in region.get("ContourSequence", []):
            deadline.check()
            contours += 1
            if contours > _MOST_CONTOURS:
                raise UnshownError(f"it has more than {_MOST_CONTOURS} contours")
            found = _filled(contour, grid)
            if found is None:
                skipped += 1
                continue
            index, mask = found
            # a contour within another one is a hole
            planes[index] = planes[index] ^ mask if index in planes else mask
        for index, mask in planes.items():
            builder.add(number, mask, (index, 0, 0))
    return builder.result(
        f"{skipped} contours are not shown: points, or not on a slice of the source" if skipped else ""
    )


def _filled(contour: Any, grid: Grid) -> tuple[int, Any] | None:
    from PIL import Image, ImageDraw

    try:
        points = np.asarray([float(value) for value in contour.ContourData], float).reshape(-1, 3)
    except (AttributeError, TypeError, ValueError):
        return None
    kind = _text(contour, "ContourGeometricType")
    if kind != "CLOSED_PLANAR" or not 3 <= len(points) <= _MOST_POINTS or not np.isfinite(points).all():
        return None
    distances, widths = grid.distances, grid.widths
    along = float(dot(vector(points[0]), grid.normal))
    index = min(range(len(distances)), key=lambda slice_: abs(distances[slice_] - along))
    if abs(distances[index] - along) > _HALF * widths[index]:
        return None
    relative = points - np.asarray(grid.origins[index])
    columns = relative @ np.asarray(grid.row_direction) / grid.pixel_spacing[1]
    rows = relative @ np.asarray(grid.column_direction) / grid.pixel_spacing[0]
    if max(np.abs(columns).max(), np.abs(rows).max()) > 1e6:
        return None
    image = Image.new("1", (grid.columns, grid.rows))
    ImageDraw.Draw(image).polygon(list(zip(columns.tolist(), rows.tolist(), strict=True)), fill=1)
    return index, np.asarray(image, np.bool_)


def _text(item: Any, name: str) -> str:
    return str(item.get(name, "")).strip()
