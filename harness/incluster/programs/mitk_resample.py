"""Images onto the grid of a reference image (operators 5.9). The program of ResampleOperator.

The platform's image calls MITK; this one resamples with SimpleITK. Only the numbers of voxels are compared: equal
ones are taken for the same grid.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import SimpleITK

from harness.incluster.programs.common import ProgramError, RunFolder, flag, number, require, say

sitk: Any = SimpleITK  # its stubs leave half of its methods untyped
_INTERPOLATORS = {
    1: ("nearest neighbour", sitk.sitkNearestNeighbor),
    2: ("linear", sitk.sitkLinear),
    3: ("B-spline", sitk.sitkBSpline),
    4: ("windowed sinc (Hamming)", sitk.sitkHammingWindowedSinc),
    5: ("windowed sinc (Welch)", sitk.sitkWelchWindowedSinc),
}


def _size(path: Path) -> tuple[int, ...]:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return tuple(reader.GetSize())


def _resample(path: Path, reference: Path, target: Path, interpolator: int) -> str:
    name, method = _INTERPOLATORS[interpolator]
    size = _size(path)
    if size == _size(reference):
        shutil.copy2(path, target)
        return "has the reference's number of voxels already, copied"
    image = sitk.ReadImage(str(path))
    result = sitk.Resample(image, sitk.ReadImage(str(reference)), sitk.Transform(), method, 0, image.GetPixelID())
    sitk.WriteImage(result, str(target), useCompression=True)
    return f"{' x '.join(map(str, size))} -> {' x '.join(map(str, result.GetSize()))}, {name}"


def main() -> None:
    """Resample every ``*.nii.gz``; the input goes unless ``COPY_DATA``. A file that fails does not fail the task."""
    run = RunFolder.from_environment()
    interpolator = number("INTERPOLATOR", 1, 1, 5)
    keep = flag("COPY_DATA")
    done = 0
    for element, folder, output in run.pairs(require("OPERATOR_IN_DIR"), require("OPERATOR_OUT_DIR")):
        references = sorted(run.inside(run.batch, element.name, require("ORG_IMG_IN_DIR")).glob("*.nii.gz"))
        files = sorted(folder.glob("*.nii.gz"))
        if files and len(references) != 1:
            raise ProgramError(f"{element.name}: {len(references)} reference image(s) *.nii.gz, expected one")
        for path in files:
            try:
                text = _resample(path, references[0], output / path.name, interpolator)
            except RuntimeError as error:
                say(f"NOT RESAMPLED {element.name}: {path.name}: {str(error).strip().splitlines()[-1]}")
                continue
            if not keep:
                path.unlink()
            say(f"{element.name}: {path.name}: {text}{'' if keep else ', the input is deleted'}")
            done += 1
    if not done:
        raise ProgramError("no files processed: no element has a *.nii.gz that could be resampled")
