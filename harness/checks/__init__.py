"""What tests assert with: segmentations, reports, and verdicts that explain themselves.

The public names are loaded when they are first used, because numpy and pydicom take a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.checks.comparison import Comparison
    from harness.checks.distances import SurfaceDistance
    from harness.checks.masks import Volume
    from harness.checks.overlap import Dice
    from harness.checks.parametric_map import ParametricMap
    from harness.checks.reports import Report
    from harness.checks.segmentation import Segmentation
    from harness.checks.structure_set import StructureSet
    from harness.checks.verdict import Verdict

__all__ = [
    "Comparison",
    "Dice",
    "ParametricMap",
    "Report",
    "Segmentation",
    "StructureSet",
    "SurfaceDistance",
    "Verdict",
    "Volume",
]

_HOMES = {
    "Comparison": "comparison",
    "Dice": "overlap",
    "ParametricMap": "parametric_map",
    "Report": "reports",
    "Segmentation": "segmentation",
    "StructureSet": "structure_set",
    "SurfaceDistance": "distances",
    "Verdict": "verdict",
    "Volume": "masks",
}


def open_regions(path: Path) -> Segmentation | StructureSet:
    """Return the DICOM SEG or the RT structure set in a file.

    Raises:
        CheckError: it is something else.
    """
    import pydicom

    from harness.checks.classes import RT_STRUCTURE_STORAGE
    from harness.checks.segmentation import Segmentation
    from harness.checks.structure_set import StructureSet

    try:
        sop_class = pydicom.dcmread(path, specific_tags=["SOPClassUID"]).get("SOPClassUID")
    except Exception:  # which the reader says in its own words
        sop_class = None
    return StructureSet(path) if sop_class == RT_STRUCTURE_STORAGE else Segmentation(path)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
