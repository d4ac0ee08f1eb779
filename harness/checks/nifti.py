"""NIfTI files as truths: their voxels in the order of a source, whichever way their axes run."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.checks.codes import Label
from harness.checks.dicom import POSITION_TOLERANCE
from harness.checks.label_values import select_voxels
from harness.checks.masks import Mask
from harness.errors import CheckError
from harness.geometry.grid import Grid

_MM: Final = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
# NIfTI counts in RAS, DICOM in LPS
_LPS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])


class NiftiMask:
    """A NIfTI file with one mask, or with several as values of a label map.

    Args:
        path: the file.

    Raises:
        CheckError: it cannot be read, has no place in space, or is not a volume.
    """

    def __init__(self, path: Path) -> None:
        import nibabel

        self.path = path
        try:
            self._image: Any = nibabel.nifti1.Nifti1Image.from_filename(path)
        except Exception as error:  # a parser on a foreign file raises nearly anything
            raise CheckError(f"{path.name} cannot be read as NIfTI: {error}", evidence=str(path)) from None
        header: Any = self._image.header
        self.shape = tuple(int(length) for length in self._image.shape)
        while len(self.shape) > 3 and self.shape[-1] == 1:
            self.shape = self.shape[:-1]
        if len(self.shape) != 3 or 0 in self.shape:
            raise CheckError(f"{path.name} has {self.shape} voxels where a volume is expected", evidence=str(path))
        if not int(header["sform_code"]) and not int(header["qform_code"]):
            raise CheckError(
                f"{path.name} does not say where it lies: its qform and sform have the code 0",
                fix="write it with the affine of the image, or compare with its array",
                evidence=str(path),
            )
        scale = _MM[header.get_xyzt_units()[0]]
        self._affine: NDArray[np.float64] = _LPS @ np.diag([scale, scale, scale, 1.0]) @ self._image.affine
        if not np.isfinite(self._affine).all():
            raise CheckError(f"{path.name} has an affine that is not finite", evidence=str(path))

    def read(self, value: Label | int | None, planes: Grid) -> Mask:
        """Return the voxels of a value in the order of ``planes``, ``(slice, row, column)``.

        Args:
            value: may be left out where the file has one value beside 0.

        Raises:
            CheckError: the file does not lie on these voxels, or has no such value, or several.
        """
        order, flipped = self._axes_on(planes)
        voxels = select_voxels(self._values, value, self.path.name, evidence=str(self.path))
        found = np.transpose(voxels, order)
        return np.ascontiguousarray(np.flip(found, tuple(axis for axis in range(3) if flipped[axis])))

    def _axes_on(self, planes: Grid) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """Return which axis of the file is slice, row and column of the planes, and which of these run backwards."""
        if not planes.is_even:
            raise CheckError(
                f"{self.path.name} has evenly spaced slices, the source has not",
                fix="compare with an array in the order of the slices, or with a DICOM SEG",
            )
        best = _fit(self._affine, self.shape, planes)
        if best is None:
            raise CheckError(
                f"{self.path.name} has {self.shape} voxels (its own axes), the source {planes.shape} "
                "(slice, row, column)",
                fix="compare with a mask on the voxels of the series that was segmented",
                evidence=str(self.path),
            )
        off, order, flipped = best
        if off > POSITION_TOLERANCE:
            mirrored = _fit(_LPS @ self._affine, self.shape, planes)
            is_mirrored = mirrored is not None and mirrored[0] <= POSITION_TOLERANCE
            raise CheckError(
                f"{self.path.name} does not lie on the voxels of the source: {_describe(self._affine, self.shape)}, "
                f"the source has {_describe(_make_affine(planes), planes.shape)}; a corner is {off:.3g} voxels away",
                fix="its affine counts in LPS, NIfTI does in RAS: change the sign of its first two rows"
                if is_mirrored
                else "resample the mask on the series that was segmented, with nearest neighbours",
                evidence=str(self.path),
            )
        return order, flipped

    @functools.cached_property
    def _values(self) -> NDArray[Any]:
        try:
            values = np.asarray(self._image.dataobj).reshape(self.shape)
            if values.dtype.kind not in "iuf":
                raise ValueError(f"they are of the kind {values.dtype}")
            return values
        except Exception as error:  # whatever a damaged file raises
            raise CheckError(
                f"the voxels of {self.path.name} cannot be read: {error}", evidence=str(self.path)
            ) from None


def _fit(
    affine: NDArray[np.float64], shape: tuple[int, ...], planes: Grid
) -> tuple[float, tuple[int, ...], tuple[bool, ...]] | None:
    """Return the best fit of a volume's axes on planes: distance of corners in voxels, order, which are reversed.

    ``None`` where the numbers of voxels are others.
    """
    best = None
    wanted = _make_affine(planes)
    for order in itertools.permutations(range(3)):
        if tuple(shape[axis] for axis in order) != planes.shape:
            continue
        for flipped in itertools.product((False, True), repeat=3):
            off = _most_apart(_in_order(affine, shape, order, flipped), wanted, planes)
            if best is None or off < best[0]:
                best = off, order, flipped
    return best


def _in_order(
    affine: NDArray[np.float64], shape: tuple[int, ...], order: tuple[int, ...], flipped: tuple[bool, ...]
) -> NDArray[np.float64]:
    """Return an affine after its axes were brought into an order, and some of them turned around."""
    found: NDArray[np.float64] = affine.copy()
    for place, axis in enumerate(order):
        found[:, place] = affine[:, axis]
        if flipped[place]:
            found[:, 3] += (shape[axis] - 1) * affine[:, axis]
            found[:, place] = -affine[:, axis]
    return found


def _make_affine(planes: Grid) -> NDArray[np.float64]:
    """Return the affine from an index (slice, row, column) to LPS millimetres."""
    first, last = np.asarray(planes.origins[0]), np.asarray(planes.origins[-1])
    count = len(planes.origins)
    found = np.eye(4)
    found[:3, 0] = (last - first) / (count - 1) if count > 1 else np.asarray(planes.normal) * planes.thickness
    found[:3, 1] = np.asarray(planes.column_direction) * planes.pixel_spacing[0]
    found[:3, 2] = np.asarray(planes.row_direction) * planes.pixel_spacing[1]
    found[:3, 3] = first
    return found


def _most_apart(mine: NDArray[np.float64], other: NDArray[np.float64], planes: Grid) -> float:
    """Return the largest distance between the corners of two volumes, in voxels of the second one."""
    corners = np.array([[*corner, 1.0] for corner in itertools.product(*[(0, length - 1) for length in planes.shape])])
    apart = (corners @ (mine - other).T)[:, :3]
    return float(np.abs(np.linalg.solve(other[:3, :3], apart.T)).max())


def _describe(affine: NDArray[np.float64], shape: tuple[int, ...]) -> str:
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    middle = affine @ np.array([*[(length - 1) / 2 for length in shape], 1.0])
    spacing = " x ".join(f"{step:.4g}" for step in steps)
    return f"voxels of {spacing} mm around ({', '.join(f'{part:.4g}' for part in middle[:3])})"
