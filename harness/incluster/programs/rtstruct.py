"""Contours of an RTSTRUCT to masks on the grid of its images (operators 5.3).

The platform's image calls dcmrtstruct2nii, which fills polygons by another rule: the number of voxels at the
border differs.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK

from harness.incluster.programs import mask_names
from harness.incluster.programs.common import ProgramError, notice, say

sitk: Any = SimpleITK  # its stubs leave half of its methods untyped
_MAX_ROIS = 1000


def file_text(name: str) -> str:
    """Return a region's name for a file name: blanks become ``-``, and only letters and digits stay."""
    return re.sub(r"[^0-9A-Za-z_-]", "", name.replace(" ", "-"))


def _grid(folder: Path) -> Any:
    """Return the volume of the one image series of a folder."""
    uids = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(uids) != 1:
        raise ProgramError(f"{folder} has {len(uids)} image series, an RTSTRUCT needs exactly one")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uids[0]))
    return reader.Execute()


def _fill(points: Any, shape: tuple[int, int]) -> Any:
    """Return the pixels with their centre in a polygon, by the even-odd rule; ``points`` are (column, row), (n, 2)."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    inside = np.zeros(shape, bool)
    x, y = points[:, 0], points[:, 1]
    for (x1, y1), (x2, y2) in zip(np.stack([x, y], 1), np.stack([np.roll(x, -1), np.roll(y, -1)], 1), strict=True):
        crosses = (y1 > rows) != (y2 > rows)
        if crosses.any():
            inside ^= crosses & (columns < (x2 - x1) * (rows - y1) / (y2 - y1) + x1)
    return inside


def _mask(roi: Any, image: Any) -> Any:
    """Return the mask of one region, uint8 in (slice, row, column); a second contour inside another cuts a hole."""
    depth, height, width = image.GetSize()[::-1]
    voxels = np.zeros((depth, height, width), np.uint8)
    for contour in roi.get("ContourSequence", []):
        data = np.asarray(contour.ContourData, float)
        if data.size < 9 or data.size % 3:
            continue  # a point or a line encloses nothing
        index = np.array([image.TransformPhysicalPointToContinuousIndex(p) for p in data.reshape(-1, 3).tolist()])
        place = round(float(index[:, 2].mean()))
        if 0 <= place < depth:
            voxels[place] ^= _fill(index[:, :2], (height, width)).astype(np.uint8)
    return voxels


def convert(file: Path, images: Path, output: Path, wanted: list[str]) -> None:
    """Write ``mask_<n>--1--<region>.nii.gz`` (0 and 1, at the images' grid) and its ``-meta.json`` for every region.

    Raises:
        ProgramError: the object or its images cannot be used.
    """
    dataset = pydicom.dcmread(file)
    names = {int(item.ROINumber): str(item.get("ROIName", "")) for item in dataset.get("StructureSetROISequence", [])}
    contours = {int(item.ReferencedROINumber): item for item in dataset.get("ROIContourSequence", [])}
    if not names or len(names) > _MAX_ROIS:
        raise ProgramError(f"{file.name} has {len(names)} regions of interest")
    image = _grid(images)
    notice("fails-on-platform", "this release is likely to fail here: its RTSTRUCT library does not fit pydicom 3")
    regions = sorted((file_text(name), number) for number, name in names.items() if number in contours)
    for place, (text, number) in enumerate(regions, start=1):
        if wanted and text.lower() not in wanted:
            continue
        mask = sitk.GetImageFromArray(_mask(contours[number], image))
        mask.CopyInformation(image)
        name = mask_names.mask_name(f"mask_{place}", 1, text, "nii.gz")
        sitk.WriteImage(mask, str(output / name), useCompression=True)
        meta = {"segmentAttributes": [[{"SegmentLabel": text.replace("-", " "), "labelID": 1}]]}
        (output / f"{name.removesuffix('.nii.gz')}-meta.json").write_text(json.dumps(meta, indent=4), "utf-8")
        say(f"{file.name}: region {names[number]!r} -> {name}")
