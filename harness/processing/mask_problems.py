"""Why dcmqi may have refused masks, in the author's terms (operators 10.2). Only looked at when it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def why_refused(masks: list[Path], segments: list[list[dict[str, Any]]], source: Path) -> str:
    """The first thing that is wrong with the masks; empty when nothing is found.

    Args:
        masks: the files that dcmqi was given.
        segments: for each file the segments that describe it, with ``labelID``.
        source: folder of the source series.
    """
    import numpy as np
    import SimpleITK

    sitk: Any = SimpleITK  # its stubs leave half of its methods untyped
    if len(masks) != len(segments):
        return f"{len(masks)} mask files for one list of labels: multi_label_seg takes one mask for each element"
    for mask, described in zip(masks, segments, strict=True):
        try:
            image = sitk.ReadImage(str(mask))
        except RuntimeError:
            return f"{mask.name} is no image that can be read"
        values = {int(value) for value in np.unique(sitk.GetArrayViewFromImage(image))} - {0}
        known = {int(entry["labelID"]) for entry in described}
        if not values:
            return f"{mask.name} is empty, no voxel has a label"
        if unknown := sorted(values - known):
            listed = ", ".join(map(str, unknown[:10]))
            wanted = ", ".join(map(str, sorted(known))) or "none"
            return (
                f"{mask.name} has voxels of the value(s) {listed}, which no label describes (described: {wanted}; a "
                "single label has the value 1, several need entries in seg_info)"
            )
        if not _meets(image, source):
            return f"{mask.name} lies beside the slices of the source series: its origin, spacing or direction is wrong"
    return ""


def _meets(image: Any, source: Path) -> bool:
    """Whether a slice of the source series lies between the first and the last one of the mask."""
    import pydicom

    depth = image.GetSize()[2] if image.GetDimension() == 3 else 1
    for file in sorted(source.glob("*.dcm*")):
        position = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["ImagePositionPatient"]).get(
            "ImagePositionPatient"
        )
        if position is None:
            return True
        index = image.TransformPhysicalPointToContinuousIndex([float(part) for part in position])
        if -0.5 <= index[-1] <= depth - 0.5:
            return True
    return False
