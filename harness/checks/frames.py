"""Frames of multi-frame objects (SEG, parametric maps): where they say that they lie, and their pixels, within bounds.

The objects come from whatever ran in a container: a file may say that its frames are a kilometre apart, or have
65,535 rows. Whatever makes no sense is an error that names it, before memory is taken for it.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray

from harness.checks.dicom import stack_geometry, stack_planes
from harness.data.series import Geometry
from harness.errors import CheckError
from harness.geometry.grid import Grid, Vector, dot, vector
from harness.wire.messages import show_numbers

MOST_PLANES: Final = 20_000
"""Slices of a stack, those between its frames included."""

LARGEST_FRAME: Final = 1 << 26
"""Pixels of one frame."""

LARGEST_VOLUME: Final = 1 << 30
"""Voxels of a stack."""

# how far the two directions of a plane may be from unit vectors at right angles
_OFF: Final = 0.01
_LARGEST_MM: Final = 1e7


@dataclasses.dataclass(frozen=True)
class Stack:
    """Where the frames of an object lie.

    Attributes:
        geometry: the regular grid of the frames, those that are left out included.
        origins: the position of each frame, in the order of the frames.
    """

    geometry: Geometry
    origins: tuple[Vector, ...]

    @property
    def planes(self) -> Grid:
        """The true position of the planes: of the regular grid, or of the frames where these are unevenly spaced."""
        return stack_planes(self.origins, self.geometry)


def read_stack(dataset: pydicom.Dataset, name: str) -> Stack:
    """Return the positions of the frames.

    Args:
        name: of the file, for messages.

    Raises:
        CheckError: the object does not say so, or what it says cannot be.
    """
    try:
        return _read_stack(dataset, name)
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise CheckError(f"{name} does not say where its frames lie: {type(error).__name__}: {error}") from None


def _read_stack(dataset: pydicom.Dataset, name: str) -> Stack:
    shared, frames = read_frame_groups(dataset)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if not 0 < rows * columns <= LARGEST_FRAME:
        raise CheckError(f"the frames of {name} have {rows} x {columns} pixels")
    planes = {_read_plane(frame, shared) for frame in frames}
    first = min(planes)
    if any(not np.allclose(first, other, rtol=0, atol=1e-3) for other in planes):
        raise CheckError(f"the frames of {name} are not parallel planes of one spacing")
    orientation, spacing = first[:6], first[6:]
    row, column = vector(orientation[:3]), vector(orientation[3:])
    if max(abs(dot(row, row) - 1), abs(dot(column, column) - 1), abs(dot(row, column))) > _OFF:
        raise CheckError(f"the frames of {name} have the orientation {show_numbers(orientation)}, which is not a plane")
    if not all(0 < step < _LARGEST_MM for step in spacing):
        raise CheckError(f"the frames of {name} have pixels of {show_numbers(spacing)} mm")
    origins = tuple(
        vector(read_group_item(frame, shared, "PlanePositionSequence").ImagePositionPatient) for frame in frames
    )
    if far := next((origin for origin in origins if not all(abs(part) < _LARGEST_MM for part in origin)), None):
        raise CheckError(f"a frame of {name} is at {show_numbers(far)} mm")
    geometry = stack_geometry(
        origins, orientation, (spacing[0], spacing[1]), (rows, columns), thickness=_thickness(frames[0], shared)
    )
    count = geometry.shape[0]
    if count > MOST_PLANES or count * rows * columns > LARGEST_VOLUME:
        apart = geometry.spacing[0] * (count - 1)
        raise CheckError(
            f"the frames of {name} are up to {apart:.6g} mm apart in steps of {geometry.spacing[0]:.4g} mm: "
            f"{count} slices of {rows} x {columns} voxels are not a volume",
            fix="look at ImagePositionPatient of the frames",
        )
    return Stack(geometry, origins)


def _read_plane(frame: Any, shared: Any) -> tuple[float, ...]:
    """Return orientation and pixel spacing of a frame."""
    orientation = read_group_item(frame, shared, "PlaneOrientationSequence").ImageOrientationPatient
    spacing = read_group_item(frame, shared, "PixelMeasuresSequence").PixelSpacing
    found = tuple(float(value) for value in (*orientation, *spacing))
    if len(found) != 8 or not all(map(math.isfinite, found)):
        raise ValueError(f"{len(orientation)} numbers of orientation and {len(spacing)} of spacing, or not finite")
    return found


def _thickness(frame: Any, shared: Any) -> float:
    measures = read_group_item(frame, shared, "PixelMeasuresSequence")
    # some writers give the spacing a sign
    found = abs(float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1.0))
    return found if 0 < found < _LARGEST_MM else 1.0


def read_frame_groups(dataset: pydicom.Dataset) -> tuple[Any, list[Any]]:
    """Return the shared functional groups (an empty dataset when absent) and those of each frame.

    Raises:
        CheckError: there is no frame.
    """
    frames = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if not frames:
        raise CheckError("the object has no frame")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    return (shared[0] if shared else pydicom.Dataset()), frames


def read_group_item(frame: Any, shared: Any, name: str) -> Any:
    """Return the first item of a functional group, of the frame or of all.

    Raises:
        CheckError: the frame has none.
    """
    for group in (frame, shared):
        sequence = group.get(name)
        if sequence:
            return sequence[0]
    raise CheckError(f"the object has a frame without {name}")


def read_references(dataset: pydicom.Dataset) -> tuple[set[str], set[str]]:
    """Return the series UIDs and SOP instance UIDs that a multi-frame object says it was made from."""
    series, instances = set(), set()
    for item in dataset.get("ReferencedSeriesSequence") or []:
        series.add(str(item.get("SeriesInstanceUID", "")))
        instances |= {
            str(ref.get("ReferencedSOPInstanceUID", "")) for ref in item.get("ReferencedInstanceSequence") or []
        }
    for frame in dataset.get("PerFrameFunctionalGroupsSequence") or []:
        for derivation in frame.get("DerivationImageSequence") or []:
            for source in derivation.get("SourceImageSequence") or []:
                instances.add(str(source.get("ReferencedSOPInstanceUID", "")))
    return series, instances


def make_frame_decoder(dataset: pydicom.Dataset, *, largest: int = LARGEST_FRAME) -> Callable[[int], NDArray[Any]]:
    """Return a function that decodes one frame, so that no more than one is in memory.

    Args:
        largest: pixels that a frame may have.

    Raises:
        CheckError: the frames have no size, or one that is too large; by the function, pixels cannot be read.
    """
    from pydicom.pixels.utils import pixel_array, unpack_bits

    try:
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
        packed = int(dataset.BitsAllocated) == 1 and (syntax is None or not syntax.is_encapsulated)
    except (TypeError, ValueError, AttributeError) as error:
        raise CheckError(f"the pixels cannot be read: {type(error).__name__}: {error}") from None
    area = rows * columns
    if not 0 < area <= largest:
        raise CheckError(f"the frames have {rows} x {columns} pixels")

    def unpacked(index: int) -> NDArray[Any]:
        # frames follow each other without padding, so that one may begin inside of a byte
        begin, end = index * area, (index + 1) * area
        bits = np.asarray(unpack_bits(dataset.PixelData[begin // 8 : (end + 7) // 8]))
        return bits[begin % 8 : begin % 8 + area].reshape(rows, columns)

    def plane(index: int) -> NDArray[Any]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = unpacked(index) if packed else np.asarray(pixel_array(dataset, index=index))
        except Exception as error:  # whatever a damaged object raises
            raise CheckError(f"the pixels cannot be read: {type(error).__name__}: {error}") from None
        if found.shape != (rows, columns):
            raise CheckError(f"frame {index + 1} is not an image of {rows} x {columns} pixels")
        return found

    return plane
