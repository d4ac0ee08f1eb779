"""DICOM series to NRRD or NIfTI volumes (operators 4.2). The program of DcmConverterOperator.

The platform's image calls MITK; this one reads with SimpleITK (GDCM): values after the modality LUT, slices
sorted by position, one volume for each SeriesInstanceUID (operators 9.1). The geometry of a series is judged before:
only one regular volume is converted, and the result has the position of its files.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import SimpleITK

from harness.geometry import Grid, Judgement, ProblemKind
from harness.geometry.reading import judge_files
from harness.incluster.programs.common import ProgramError, RunFolder, notice, number, path_component, require, say

sitk: Any = SimpleITK  # its stubs leave half of its methods untyped
# the step that makes NIfTI of NRRD is taken for nii.gz only
_EXTENSIONS = {"nrrd": "nrrd", "nii.gz": "nii.gz", "nii": "nrrd"}


def _series_below(folder: Path, pattern: str) -> dict[str, list[str]]:
    """Return SeriesInstanceUID to the files of that series.

    Only names with a dot before ``.dcm`` start a conversion (``**/*.*.dcm``), but then every file of the
    series in the same folder belongs to the volume, with any name.
    """
    series: dict[str, list[str]] = {}
    named = {str(path) for path in folder.glob(f"**/*.{pattern}")}
    for directory in sorted({Path(path).parent for path in named}):
        for uid, files in _series_in(directory):
            if named.intersection(files):
                series.setdefault(uid, files)  # found in a second folder: keep the first volume
                named.difference_update(files)
    for path in sorted(named):  # not readable as an image series: its own conversion fails and is reported
        series[Path(path).name.split(".")[0]] = [path]
    return series


def _series_in(directory: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the SeriesInstanceUIDs of the files in a folder, with the files of each by their position."""
    reader = sitk.ImageSeriesReader
    first = list(reader.GetGDCMSeriesFileNames(str(directory)))
    if first and len(first) == sum(1 for _ in directory.iterdir()):
        # all of one series, as always after GetInput: listing the series would read every header again
        header = sitk.ImageFileReader()
        header.SetFileName(first[0])
        header.ReadImageInformation()
        yield header.GetMetaData("0020|000e").strip(), first
        return
    for uid in reader.GetGDCMSeriesIDs(str(directory)):
        yield uid, list(reader.GetGDCMSeriesFileNames(str(directory), uid))


def _read(files: list[str]) -> Any:
    """Return the volume of a series' files as a ``SimpleITK.Image``."""
    if len(files) == 1:
        image = sitk.ReadImage(files[0])
        # a single slice has no neighbour to measure the distance to, ITK would say 1 mm
        if image.GetDimension() == 3 and image.GetSize()[2] == 1 and image.HasMetaDataKey("0018|0050"):
            thickness = float(image.GetMetaData("0018|0050") or 0)
            if thickness > 0:
                image.SetSpacing((*image.GetSpacing()[:2], thickness))
        return image
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(files)
    return reader.Execute()


def _volume(element: str, uid: str, files: list[str], target: Path) -> Any:
    """Return the volume of a series at the position of its files.

    Raises:
        ProgramError: the series is not one volume.
    """
    judged = judge_files(files)
    if judged is None:
        return _read(files)
    if obstacle := judged.obstacle:
        raise ProgramError(
            f"series {uid} is not one volume: {obstacle.text}. MITK makes several volumes of it, and none has the name "
            f"{target.name} that the next task looks for"
        )
    image = _read(files)
    for problem in judged.problems:
        notice(problem.kind.value, problem.text, series=str(element))
    if judged.grid is None or image.GetDimension() != 3:
        return image
    if any(problem.kind is ProblemKind.FRAMES for problem in judged.problems):
        _place_frames(image, judged)
    elif any(problem.kind is ProblemKind.SHEARED for problem in judged.problems):
        image = _straighten(image, judged.grid)
    elif difference := _difference(image, judged.grid):
        raise ProgramError(f"series {uid}: {difference}")
    return image


def _place_frames(image: Any, judged: Judgement) -> None:
    """Put a multi-frame image where its frames say: they are stored in the order of their positions, or against it."""
    (stored,) = judged.images
    along = [plane.along_normal or 0.0 for plane in stored.planes]
    grid = judged.grid
    if grid is None or image.GetSize()[2] != len(along):
        raise ProgramError(f"{stored.file} has {image.GetSize()[2]} frames, but {len(along)} are described")
    forward = along == sorted(along)
    if not forward and along != sorted(along, reverse=True):
        raise ProgramError(f"the frames of {stored.file} are not stored in the order of their positions")
    sign = 1.0 if forward else -1.0
    image.SetOrigin(grid.origins[0 if forward else -1])
    image.SetSpacing((grid.pixel_spacing[1], grid.pixel_spacing[0], grid.spacing))
    image.SetDirection(_direction(grid, sign))


def _direction(grid: Grid, sign: float = 1.0) -> tuple[float, ...]:
    axes = (grid.row_direction, grid.column_direction, tuple(sign * part for part in grid.normal))
    return tuple(axes[column][row] for row in range(3) for column in range(3))


def _straighten(image: Any, grid: Grid) -> Any:
    """Interpolate a volume of slices that are shifted against each other on a rectangular grid."""
    step = [(b - a) / len(grid.gaps) for a, b in zip(grid.origins[0], grid.origins[-1], strict=True)]
    length = math.sqrt(sum(part * part for part in step))
    axes = (grid.row_direction, grid.column_direction, tuple(part / length for part in step))
    image.SetOrigin(grid.origins[0])
    image.SetSpacing((grid.pixel_spacing[1], grid.pixel_spacing[0], length))
    image.SetDirection(tuple(axes[column][row] for row in range(3) for column in range(3)))
    # room for all slices: the shift in pixels, to the side to which it goes
    sides = (grid.row_direction, grid.column_direction)
    spacing = (grid.pixel_spacing[1], grid.pixel_spacing[0])
    shifts = [sum(d * s for d, s in zip(grid.drift, side, strict=True)) for side in sides]
    size = [
        extent + math.ceil(round(abs(shift) / step_, 3))
        for extent, shift, step_ in zip(image.GetSize()[:2], shifts, spacing, strict=True)
    ]
    origin = list(grid.origins[0])
    for shift, side, step_ in zip(shifts, sides, spacing, strict=True):
        if shift < 0:
            pixels = math.ceil(round(-shift / step_, 3))
            origin = [value - pixels * step_ * part for value, part in zip(origin, side, strict=True)]
    lowest = float(sitk.GetArrayViewFromImage(image).min())
    upright = sitk.Resample(
        image, [*size, image.GetSize()[2]], sitk.Transform(), sitk.sitkLinear, origin, (*spacing, grid.spacing),
        _direction(grid), lowest, sitk.sitkFloat64,
    )  # fmt: skip
    whole = "integer" in image.GetPixelIDTypeAsString()
    return sitk.Cast(sitk.Round(upright) if whole else upright, image.GetPixelID())


def _difference(image: Any, grid: Grid) -> str:
    """Return the difference between a volume and the grid of its files; empty if they agree."""
    slices, rows, columns = grid.shape
    expected: list[tuple[str, Any, Any, float]] = [
        ("size", image.GetSize(), (columns, rows, slices), 0.0),
        ("spacing", image.GetSpacing(), (grid.pixel_spacing[1], grid.pixel_spacing[0], grid.spacing), 0.01),
        ("origin", image.GetOrigin(), grid.origins[0], 0.05),
        ("direction", image.GetDirection(), _direction(grid), 0.01),
    ]
    for name, found, wanted, tolerance in expected:
        if any(abs(a - b) > tolerance for a, b in zip(found, wanted, strict=True)):
            texts = ["(" + ", ".join(f"{value:.6g}" for value in values) + ")" for values in (found, wanted)]
            return f"the volume that was read has the {name} {texts[0]}, its files say {texts[1]}"
    return ""


def _compression(file: str) -> str:
    """Return the compression of the pixels of a file, for a message; empty if they are not compressed."""
    import pydicom

    try:
        syntax = pydicom.filereader.read_file_meta_info(file).TransferSyntaxUID
    except Exception:  # the reader of the volume has reported the file's problem
        return ""
    return f", compressed as {syntax.name} ({syntax}), which GDCM may not read" if syntax.is_encapsulated else ""


def _convert(run: RunFolder, element: Path, pattern: str, extension: str) -> list[str]:
    """Convert one element, return what went wrong (nothing: all is well)."""
    source = run.inside(run.batch, element.name, require("OPERATOR_IN_DIR"))
    output = run.inside(run.batch, element.name, require("OPERATOR_OUT_DIR"))
    output.mkdir(parents=True, exist_ok=True)
    series = _series_below(source, pattern)
    if not series:
        where = run.relative(source)
        if undotted := sum(1 for _ in source.glob(f"**/{pattern}")):
            text = f"{element.name}: {undotted} file(s) in {where}, but none has a dot before its extension"
            notice("name-without-dot", f"{text}: nothing is converted")
        else:
            say(f"{element.name}: no file named *.{pattern} in {where}, nothing to convert")
    if len(series) > 1:
        notice("several-volumes", f"{element.name}: {len(series)} series in {run.relative(source)}, a volume for each")
    problems = []
    for uid, files in series.items():
        target = output / f"{path_component(uid, 'SeriesInstanceUID')}.{extension}"
        if target.exists():
            say(f"{element.name}: {run.relative(target)} exists already, kept")
            continue
        start = time.monotonic()
        try:
            image = _volume(element.name, uid, files, target)
            for key in image.GetMetaDataKeys():  # DICOM fields do not belong into the header of the volume
                image.EraseMetaData(key)
            sitk.WriteImage(image, str(target), useCompression=extension == "nii.gz")
        except ProgramError as error:
            problems.append(str(error))
        except (RuntimeError, ValueError) as error:
            cause = str(error).strip().splitlines()[-1]
            problems.append(f"{element.name}: series {uid} ({len(files)} file(s)){_compression(files[0])}: {cause}")
        else:
            size = " x ".join(str(n) for n in image.GetSize())
            seconds = time.monotonic() - start
            say(f"{element.name}: {len(files)} file(s) -> {run.relative(target)} ({size}, {seconds:.1f} s)")
            continue
        say(f"NOT CONVERTED {problems[-1]}")
    return problems


def main() -> None:
    """Convert every element that has the input folder, ``THREADS`` at a time."""
    run = RunFolder.from_environment()
    converted = os.environ.get("CONVERTTO") or "nrrd"
    if converted not in _EXTENSIONS:
        raise ProgramError(f"CONVERTTO is {converted!r}, expected one of {', '.join(_EXTENSIONS)}")
    if converted == "nii":
        notice("differs-on-platform", "output_format nii gives .nrrd files and no .nii on this release: take nii.gz")
    pattern = os.environ.get("CONVERTFROM") or "*.dcm"
    source = require("OPERATOR_IN_DIR")
    elements = []
    for element in run.elements():
        if run.inside(run.batch, element.name, source).is_dir():
            elements.append(element)
        else:
            say(f"{element.name}: has no folder {source}, skipped")
    if not elements:
        raise ProgramError(f"no element below {run.inside(run.batch)} has a folder {source}")
    with ThreadPoolExecutor(min(number("THREADS", 3, 1, 64), len(elements))) as pool:
        extension = _EXTENSIONS[converted]
        results = pool.map(lambda element: _convert(run, element, pattern, extension), elements)
        problems = [problem for result in results for problem in result]
    if problems:
        more = f" ({len(problems) - 1} more series not converted)" if len(problems) > 1 else ""
        raise ProgramError(f"{problems[0]}{more}")
