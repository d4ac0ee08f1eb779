"""How far the surfaces of two masks are apart, in millimetres.

A voxel is on the surface where one of its six neighbours is not in the mask; beyond the image nothing is. Distances go
from the middle of each such voxel to the middle of the nearest one of the other mask.

SimpleITK measures them: it is released several times a year, has no requirements of its own, and knows spacings. It is
an extra of the package, because it takes 260 MB of disk and no other assertion needs it.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.checks.explanations import note
from harness.checks.masks import Mask, Tabled, find_extent
from harness.errors import CheckError, UsageError
from harness.geometry.grid import Grid

Index = tuple[int, int, int]


class Distance(Tabled):
    """A distance in millimetres; an assertion about it that fails says which voxels are farthest away."""

    shown_as: ClassVar[str] = ".2f"
    _what: str
    _lines: tuple[str, ...]

    @classmethod
    def of(cls, what: str, value: float, lines: tuple[str, ...]) -> Distance:
        """Return a distance with its explanation."""
        found = cls(value)
        found._what, found._lines = what, lines
        return found

    @property
    def what(self) -> str:
        """Return the name of the distance, for messages."""
        return self._what

    @property
    def unit(self) -> str:
        """Millimetres."""
        return "mm"

    @property
    def lines(self) -> list[str]:
        """Return the distances in both directions."""
        return list(self._lines)


@dataclasses.dataclass(frozen=True)
class Directed:
    """Distances of the surface of one mask from that of another, in millimetres.

    Attributes:
        largest, p95, mean: of the distances of all voxels of the surface.
        farthest: the voxel ``(slice, row, column)`` with the largest.
    """

    largest: float
    p95: float
    mean: float
    farthest: Index
    voxels: int

    def line(self, title: str, slices: int) -> str:
        """Return the distance in words, with slices counted from 1."""
        return (
            f"{title}: at most {self.largest:.2f} mm, 95 % within {self.p95:.2f} mm, mean {self.mean:.2f} mm; "
            f"farthest mask[{', '.join(map(str, self.farthest))}] in slice {self.farthest[0] + 1} of {slices}"
        )


@dataclasses.dataclass(frozen=True)
class SurfaceDistance:
    """How far the surface of a label and that of the truth are apart.

    Attributes:
        label: whose.
        to_truth: from the result to the truth.
        to_result: from the truth to the result.
        slices: number of slices of the masks.
    """

    label: str
    to_truth: Directed
    to_result: Directed
    slices: int

    @property
    def hausdorff_mm(self) -> Distance:
        """The largest distance of both directions (Hausdorff distance)."""
        return self._distance("Hausdorff distance", max(self.to_truth.largest, self.to_result.largest))

    @property
    def p95_mm(self) -> Distance:
        """The 95th percentile, the larger one of both directions."""
        return self._distance("95th percentile of the surface distance", max(self.to_truth.p95, self.to_result.p95))

    @property
    def mean_mm(self) -> Distance:
        """The mean of the distances of both directions together (average symmetric surface distance)."""
        counts = self.to_truth.voxels, self.to_result.voxels
        means = self.to_truth.mean, self.to_result.mean
        return self._distance("mean surface distance", float(np.average(means, weights=counts)))

    @property
    def lines(self) -> tuple[str, ...]:
        """Both directions in words."""
        return (
            self.to_truth.line("result to truth", self.slices),
            self.to_result.line("truth to result", self.slices),
        )

    def _distance(self, name: str, value: float) -> Distance:
        found = Distance.of(f"{name} of {self.label!r}", value, self.lines)
        # the assertion that asks for it, two frames away
        note(found, sys._getframe(2))
        return found


def measure_surface_distance(label: str, mine: Mask, truth: Mask, grid: Grid) -> SurfaceDistance:
    """Return the distances between the surfaces of two masks on a grid.

    Raises:
        CheckError: a mask is empty, or the slices are not one regular grid.
        UsageError: SimpleITK is not installed.
    """
    for whose, mask in ((f"mask {label!r}", mine), (f"the truth of {label!r}", truth)):
        if not mask.any():
            raise CheckError(f"{whose} is empty: it has no surface to measure a distance from")
    if not grid.is_even or grid.is_sheared:
        raise CheckError(
            f"the slices of {label!r} are not evenly spaced: surface distances are measured on a regular grid only",
            fix="use a source without missing slices; dice() and compare(..., distances=False) do not need one",
        )
    box = find_extent(mine | truth)
    assert box is not None, "neither mask is empty"
    inner = tuple(slice(begin, end) for begin, end in box)
    # a voxel of room, as ITK does not see a surface at the edge of an image
    images = [_image(np.pad(mask[inner], 1), grid) for mask in (mine, truth)]
    surfaces = [_surface(image) for image in images]
    start = np.array([begin - 1 for begin, _ in box])
    to_truth, to_result = (_direct(surfaces[one], surfaces[other], start) for one, other in ((0, 1), (1, 0)))
    return SurfaceDistance(label, to_truth, to_result, mine.shape[0])


def _simpleitk() -> Any:
    try:
        import SimpleITK
    except ImportError:
        raise UsageError(
            "surface distances need SimpleITK, which is not installed",
            fix="pip install SimpleITK; the extra [distances] of kaapana-harness has it",
        ) from None
    return SimpleITK


def _image(mask: Mask, grid: Grid) -> Any:
    image = _simpleitk().GetImageFromArray(mask.astype(np.uint8))
    # directions are left out: a rotation changes no distance
    rows_apart, columns_apart = grid.pixel_spacing
    image.SetSpacing([columns_apart, rows_apart, grid.spacing])
    return image


def _surface(image: Any) -> Any:
    return _simpleitk().BinaryContour(image, fullyConnected=False, backgroundValue=0, foregroundValue=1)


def _direct(mine: Any, other: Any, start: NDArray[Any]) -> Directed:
    sitk = _simpleitk()
    away = sitk.Abs(sitk.SignedMaurerDistanceMap(other, squaredDistance=False, useImageSpacing=True))
    where = np.argwhere(sitk.GetArrayViewFromImage(mine))
    distances = sitk.GetArrayViewFromImage(away)[tuple(where.T)].astype(np.float64)
    first, second, third = (int(part) for part in where[int(distances.argmax())] + start)
    return Directed(
        float(distances.max()),
        float(np.percentile(distances, 95)),
        float(distances.mean()),
        (first, second, third),
        len(distances),
    )
