"""DICOM series to NRRD or NIfTI volumes (operators 4.2). The program of DcmConverterOperator.

The platform's image calls MITK; this one reads with SimpleITK (GDCM): values after the modality LUT, slices
sorted by position, one volume for each SeriesInstanceUID (operators 9.1).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import SimpleITK

from harness.processing.common import ProgramError, RunFolder, notice, number, path_component, required, say

sitk: Any = SimpleITK  # its stubs leave half of its methods untyped
_EXTENSIONS = {"nrrd": "nrrd", "nii.gz": "nii.gz", "nii": "nii"}


def _series_below(folder: Path, pattern: str) -> dict[str, list[str]]:
    """SeriesInstanceUID to the files of that series.

    Only names with a dot before ``.dcm`` start a conversion (``**/*.*.dcm``), but then every file of the
    series in the same folder belongs to the volume, whatever its name.
    """
    series: dict[str, list[str]] = {}
    named = {str(path) for path in folder.glob(f"**/*.{pattern}")}
    for directory in sorted({Path(path).parent for path in named}):
        for uid, files in _series_in(directory):
            if named.intersection(files):
                series.setdefault(uid, files)  # found in a second folder: the first volume stands
                named.difference_update(files)
    for path in sorted(named):  # not readable as an image series: its own conversion fails and is reported
        series[Path(path).name.split(".")[0]] = [path]
    return series


def _series_in(directory: Path) -> Iterator[tuple[str, list[str]]]:
    """SeriesInstanceUIDs of the files in a folder, with the files of each by their position."""
    reader = sitk.ImageSeriesReader
    first = list(reader.GetGDCMSeriesFileNames(str(directory)))
    if first and len(first) == sum(1 for _ in directory.iterdir()):
        # all of one series, as always after GetInput: a list of the series would read every header once more
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


def _convert(run: RunFolder, element: Path, pattern: str, extension: str) -> list[str]:
    """Convert one element, return what went wrong (nothing: all is well)."""
    source = run.inside(run.batch, element.name, required("OPERATOR_IN_DIR"))
    output = run.inside(run.batch, element.name, required("OPERATOR_OUT_DIR"))
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
            image = _read(files)
            for key in image.GetMetaDataKeys():  # DICOM fields do not belong in the header of the volume
                image.EraseMetaData(key)
            sitk.WriteImage(image, str(target), useCompression=extension == "nii.gz")
        except (RuntimeError, ValueError) as error:
            cause = str(error).strip().splitlines()[-1]
            problems.append(f"{element.name}: series {uid} ({len(files)} file(s)): {cause}")
            say(f"NOT CONVERTED {problems[-1]}")
            continue
        size = " x ".join(str(n) for n in image.GetSize())
        seconds = time.monotonic() - start
        say(f"{element.name}: {len(files)} file(s) -> {run.relative(target)} ({size}, {seconds:.1f} s)")
    return problems


def main() -> None:
    """Convert every element that has the input folder, ``THREADS`` at a time."""
    run = RunFolder.from_environment()
    converted = os.environ.get("CONVERTTO") or "nrrd"
    if converted not in _EXTENSIONS:
        raise ProgramError(f"CONVERTTO is {converted!r}, expected one of {', '.join(_EXTENSIONS)}")
    if converted == "nii":
        notice("differs-on-platform", "release 0.6.0 of the platform leaves .nrrd files when nii is asked for")
    pattern = os.environ.get("CONVERTFROM") or "*.dcm"
    source = required("OPERATOR_IN_DIR")
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
        raise ProgramError(f"{len(problems)} series not converted, the first: {problems[0]}")
