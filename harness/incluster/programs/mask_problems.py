"""Find out why dcmqi may have refused masks or their source, in the author's terms (operators 9.2, 10).

Called after a refusal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from harness.geometry import ProblemKind
from harness.geometry.reading import judge_files

# dcmqi reads the values of masks as 16-bit numbers with a sign
_SHORT: Final = 1 << 15


def find_mask_problem(masks: list[Path], segments: list[list[dict[str, Any]]]) -> str:
    """Return the first thing that is wrong with the masks; empty when nothing is found.

    Args:
        masks: the files that dcmqi was given.
        segments: for each file the segments that describe it, with ``labelID``.
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
            return f"{mask.name} is not an image that can be read"
        if image.GetDimension() != 3:
            return f"{mask.name} has {image.GetDimension()} dimensions, a mask has 3"
        there = np.unique(sitk.GetArrayViewFromImage(image))
        values = {int(value) for value in there} - {0}
        known = {int(entry["labelID"]) for entry in described}
        if not values and there.any():
            return (
                f"{mask.name} has no value from 1 on, they go from {there[0]:.4g} to {there[-1]:.4g}, and dcmqi cuts "
                "them to whole numbers: threshold the mask"
            )
        if not values:
            return f"{mask.name} is empty, no voxel has a label"
        if beyond := sorted(value for value in values if not -_SHORT <= value < _SHORT):
            return f"{mask.name} has the value {beyond[0]}: dcmqi reads masks as numbers up to {_SHORT - 1}"
        if unknown := sorted(values - known):
            listed = ", ".join(map(str, unknown[:10]))
            wanted = ", ".join(map(str, sorted(known))) or "none"
            return (
                f"{mask.name} has voxels of the value(s) {listed}, which no label describes (described: {wanted}; a "
                "single label has the value 1, several need entries in seg_info)"
            )
    return ""


def find_label_problem(segments: list[list[dict[str, Any]]]) -> str:
    """Return a message about the label that dcmqi cannot write; empty when it can write them all."""
    for entry in (entry for entries in segments for entry in entries):
        for label in (str(entry.get("SegmentLabel", "")), entry["SegmentedPropertyTypeCodeSequence"]["CodeMeaning"]):
            if not label.isascii():
                return f"the label {label!r} has letters that are not ASCII, and dcmqi writes no others"
    return ""


def find_source_problem(folder: Path) -> str:
    """Return why dcmqi cannot take the images of a folder as the source; empty when nothing is found."""
    judged = judge_files(sorted(folder.glob("*.dcm*")))
    for problem in judged.problems if judged else ():
        if problem.kind is ProblemKind.FRAMES:
            return f"{problem.text}: dcmqi takes source images with one frame a file"
        if problem.kind in (ProblemKind.NO_POSITION, ProblemKind.SIZE):
            return f"in the source series {problem.text}"
    return ""
