"""Find what dcmqi makes of masks without a word: other values, other segments, another place (operators 4.3).

Called after a conversion that worked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.geometry import Grid
from harness.incluster.programs.common import notice
from harness.wire.messages import join_names

# mm: headers of masks hold rounded numbers
_SAME_MM: Final = 1e-3
_SHOWN: Final = 10


@dataclass(frozen=True)
class Mask:
    """What a mask file holds.

    Attributes:
        values: its different values in the file, without 0.
        size: number of slices, rows, columns.
        spacing: mm between slices, rows, columns.
        whole: number of voxels that have a whole number other than 0, ``fractional`` of those that have not.
    """

    name: str
    values: tuple[float, ...]
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    whole: int
    fractional: int

    @classmethod
    def read(cls, path: Path) -> Mask:
        """Read a mask file.

        Raises:
            RuntimeError: it is not an image.
        """
        import numpy as np
        import SimpleITK

        sitk: Any = SimpleITK  # its stubs leave half of its methods untyped
        image = sitk.ReadImage(str(path))
        array = sitk.GetArrayViewFromImage(image)
        values: set[float] = set()
        whole = fractional = 0
        # slice by slice: a mask may be large, and a copy of all of it larger
        for plane in array if array.ndim > 2 else [array]:
            values |= set(np.unique(plane).tolist())
            cut = np.trunc(plane) if plane.dtype.kind == "f" else plane
            fractional += int(np.count_nonzero(plane != cut))
            whole += int(np.count_nonzero((plane == cut) & (plane != 0)))
        return cls(
            name=path.name,
            values=tuple(sorted(values - {0})),
            size=tuple(reversed(image.GetSize())),
            spacing=tuple(reversed(image.GetSpacing())),
            whole=whole,
            fractional=fractional,
        )


def report(masks: Sequence[Path], segments: Sequence[Sequence[dict[str, Any]]], grid: Grid | None) -> bool:
    """Print a notice for everything that an author would not expect; whether the masks lie on the source's voxels.

    Args:
        masks: the files that dcmqi was given.
        segments: for each file the segments that describe it, with ``labelID``.
        grid: the planes of the source, where they have some.
    """
    lie_well = True
    number = 0
    for path, described in zip(masks, segments, strict=True):
        try:
            mask = Mask.read(path)
        except RuntimeError:  # dcmqi read it
            continue
        if mask.fractional:
            notice("mask-fractional", fractions(mask))
        number = _report_labels(mask, described, number)
        if grid is not None and (problem := explain_misplaced(mask, grid)):
            notice("mask-beside-source", problem)
            lie_well = False
    return lie_well


def fractions(mask: Mask) -> str:
    """Return a message about the values of a mask that are not whole numbers."""
    low, high = mask.values[0], mask.values[-1]
    return (
        f"{mask.name} has {mask.fractional} voxels with values that are not whole numbers ({low:.4g} to {high:.4g}): "
        "dcmqi cuts them, 0.9 becomes 0"
    )


def _report_labels(mask: Mask, described: Sequence[dict[str, Any]], before: int) -> int:
    """Compare values with labels; the number of the last segment that the mask has."""
    there = {int(value) for value in mask.values} - {0}
    empty = [entry for entry in described if int(entry["labelID"]) not in there]
    if empty and len(described) > 1:
        names = join_names([f"{_label(entry)} ({entry['labelID']})" for entry in empty], _SHOWN)
        notice("label-without-voxels", f"{mask.name} has no voxel of {names}: the SEG has no such segment")
    renumbered = {value: number for number, value in enumerate(sorted(there), before + 1) if value != number}
    if renumbered and len(described) > 1:
        listed = ", ".join(f"{value} is segment {number}" for value, number in list(renumbered.items())[:_SHOWN])
        notice("segments-renumbered", f"{mask.name}: segments count from 1 without gaps, the value {listed}")
    return before + len(there)


def _label(entry: dict[str, Any]) -> str:
    return str(entry.get("SegmentLabel") or entry["SegmentedPropertyTypeCodeSequence"]["CodeMeaning"])


def explain_misplaced(mask: Mask, grid: Grid) -> str:
    """Return why the voxels of a mask are not voxels of its source; empty where they are, or the mask is a part."""
    if len(mask.size) != 3:
        return f"{mask.name} has {len(mask.size)} dimensions, its source 3"
    if mask.size != grid.shape and sorted(mask.size) == sorted(grid.shape):
        order = "reverse order" if mask.size == grid.shape[::-1] else "another order"
        return (
            f"{mask.name} has {_times(mask.size)} voxels (slices, rows, columns), its source {_times(grid.shape)}: its "
            f"axes are in {order}"
        )
    pixels = mask.spacing[1:]
    if any(abs(mine - its) > _SAME_MM for mine, its in zip(pixels, grid.pixel_spacing, strict=True)):
        return f"{mask.name} has pixels of {_times(pixels)} mm, its source of {_times(grid.pixel_spacing)} mm"
    return ""


def _times(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)
