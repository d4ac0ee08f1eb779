"""From the image plane attributes of single-frame slices to a :class:`Geometry`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.data.series import Geometry, Vector

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# Gaps between slices may differ by this share before a series stops being one regular volume.
_SPACING_TOLERANCE = 0.01
_DIRECTION_TOLERANCE = 1e-3


def _vector(values: Sequence[float]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def along_normal(dataset: Dataset) -> float | None:
    """Signed distance in mm of a slice along its own normal, ``None`` where the file does not say."""
    orientation, position = dataset.get("ImageOrientationPatient"), dataset.get("ImagePositionPatient")
    if not orientation or not position or len(orientation) != 6 or len(position) != 3:
        return None
    return _dot(_vector(position), _cross(_vector(orientation[:3]), _vector(orientation[3:])))


def geometry_of(slices: Sequence[Dataset]) -> Geometry | None:
    """Return the geometry of slices that are sorted along their normal.

    Returns:
        ``None`` where they are not one regular volume: attributes missing, multi-frame, different size,
        orientation or pixel spacing, or gaps that differ by more than one per cent.
    """
    first = slices[0]
    if int(first.get("NumberOfFrames") or 1) > 1:
        return None
    size, spacing = (first.get("Rows"), first.get("Columns")), first.get("PixelSpacing")
    orientation = first.get("ImageOrientationPatient")
    if not spacing or len(spacing) != 2 or None in size or along_normal(first) is None:
        return None
    for other in slices[1:]:
        if (other.get("Rows"), other.get("Columns")) != size or along_normal(other) is None:
            return None
        if not _close(other.get("PixelSpacing") or (), spacing, _DIRECTION_TOLERANCE):
            return None
        if not _close(other.ImageOrientationPatient, orientation, _DIRECTION_TOLERANCE):
            return None
    row, column = _vector(orientation[:3]), _vector(orientation[3:])
    distances = [along_normal(item) or 0.0 for item in slices]
    gaps = [after - before for before, after in itertools.pairwise(distances)]
    if gaps:
        gap = sum(gaps) / len(gaps)
        if gap <= 0 or any(abs(item - gap) > _SPACING_TOLERANCE * gap for item in gaps):
            return None
    else:
        gap = float(first.get("SpacingBetweenSlices") or first.get("SliceThickness") or 1.0)
    normal = _cross(row, column)
    length = math.sqrt(_dot(normal, normal))
    if abs(length - 1.0) > 0.01:
        return None
    return Geometry(
        shape=(len(slices), int(first.Rows), int(first.Columns)),
        spacing=(gap, float(spacing[0]), float(spacing[1])),
        origin=_vector(first.ImagePositionPatient),
        row_direction=row,
        column_direction=column,
        slice_direction=(normal[0] / length, normal[1] / length, normal[2] / length),
    )


def _close(values: Sequence[float], expected: Sequence[float], tolerance: float) -> bool:
    return len(values) == len(expected) and all(
        abs(float(a) - float(b)) <= tolerance for a, b in zip(values, expected, strict=True)
    )
