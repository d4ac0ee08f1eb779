"""NIfTI files to DICOM series, each a new element (operators 5.13). The program of Itk2DcmOperator."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import SimpleITK
from pydicom.uid import generate_uid

from harness.incluster.programs.common import ProgramError, RunFolder, read_json, require, say

sitk: Any = SimpleITK  # its stubs leave half of its methods untyped
_MODALITIES = ("CT", "MR", "PT", "US", "CR", "DX", "MG", "NM", "XA", "OT")
_TAG = re.compile(r"[0-9A-Fa-f]{4}\|[0-9A-Fa-f]{4}")
_PARTS = ("segs", "cases", "imagesTr", "imagesTs", "labelsTr", "labelsTs")
# fixed name of the folder with the masks, for segmentation_in_dir (operators 5.13)
_MASKS_DIR = "segmentations"


@dataclass
class ImageWithMask:
    """One image with the mask that belongs to it."""

    image: Path
    mask: Path | None
    seg_info: Path | None
    modality: str = ""
    study: str = ""
    tags: dict[str, str] = field(default_factory=dict)


def _nifti(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.name.endswith((".nii", ".nii.gz")))


def stem_of(path: Path) -> str:
    """Return the name without its ending, as the platform computes it: characters of ``.nii.gz`` go from both ends."""
    return path.name.strip(".nii.gz")  # noqa: B005  (the platform's own mistake: zin.nii.gz has no stem)


def _mask_for(image: Path, masks: list[Path]) -> Path | None:
    found = [mask for mask in masks if mask.name.startswith(stem_of(image))]
    if len(found) > 1:
        raise ProgramError(f"{image.name} has {len(found)} masks: {', '.join(mask.name for mask in found)}")
    return found[0] if found else None


def _tags_of(path: Path, meta: Any) -> dict[str, str]:
    """Return the tags of ``meta_data.json`` for one image: the global ones, then those whose key is in its path."""
    tags = dict(meta.get("global_tags") or {})
    for part, own in (meta.get("series_tags") or {}).items():
        if part in str(path):
            tags.update(own)
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise ProgramError(f"meta_data.json: {tag!r} is not a tag, expected gggg|eeee")
    return {tag: str(value) for tag, value in tags.items()}


def _meta(folder: Path) -> Any:
    path = folder / "meta_data.json"
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise ProgramError(f"{path} is not a JSON object")
    return content


def _nnunet(folder: Path) -> Iterator[ImageWithMask]:
    """Yield a dataset in the layout of nnU-Net; writes ``seg_info.json`` and ``meta_data.json`` into it."""
    info = read_json(folder / "dataset.json")
    channels = info.get("channel_names") or info.get("modality") or {"0": "MR"}
    labels = info.get("labels") or {}
    pairs = [(k, v) if isinstance(v, int) else (v, int(k)) for k, v in labels.items()]
    entries = [{"label_name": str(name), "label_int": value} for name, value in pairs]
    seg_info = folder / "seg_info.json"
    seg_info.write_text(json.dumps({"seg_info": entries}, indent=4), "utf-8")
    meta = _meta(folder)
    (folder / "meta_data.json").write_text(json.dumps(meta, indent=4), "utf-8")
    for images, masks in (("imagesTr", "labelsTr"), ("imagesTs", "labelsTs")):
        studies: dict[str, str] = {}
        for image in _nifti(folder / images):
            name = image.name.removesuffix(".gz").removesuffix(".nii")
            case, _, channel = name.rpartition("_")
            text = str(channels.get(str(int(channel)) if channel.isdigit() else "0", "MR")).upper()
            modality = text if text in _MODALITIES else "MR"
            mask = next((path for path in _nifti(folder / masks) if path.name.startswith(f"{case}.")), None)
            study = studies.setdefault(case, generate_uid())
            yield ImageWithMask(image, mask, seg_info, modality, study, _tags_of(image, meta))


def _custom(folder: Path) -> Iterator[ImageWithMask]:
    """Yield a folder with ``cases`` and ``segs``, or one whose masks have ``seg`` in their names."""
    meta, seg_info = _meta(folder), folder / "seg_info.json"
    if (folder / "cases").is_dir():
        images, masks = _nifti(folder / "cases"), _nifti(folder / "segs")
    else:
        files = _nifti(folder)
        masks = [path for path in files if "seg" in path.name or "Seg" in path.name]
        images = [path for path in files if path not in masks]
    info = next((path for path in (seg_info, folder / "segs" / "seg_info.json") if path.is_file()), None)
    for image in images:
        yield ImageWithMask(image, _mask_for(image, masks), info, tags=_tags_of(image, meta))


def cases(folder: Path) -> Iterator[ImageWithMask]:
    """Yield the images of all datasets below a folder."""
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        if "dataset.json" in files:
            yield from _nnunet(here)
            folders.clear()
        elif files and not here.name.endswith(_PARTS):
            if folders and not {"cases", "segs"} & set(folders):
                raise FileNotFoundError(f"{here} has files and folders, but no cases: it is not a dataset")
            yield from _custom(here)
            folders[:] = [name for name in folders if not name.endswith(_PARTS)]


def write_series(case: ImageWithMask, output: Path, series: str, place: int, modality: str) -> int:
    """Write an image as slices ``slice0000.dcm`` (int16, JPEG 2000 without loss); their number."""
    image = sitk.Cast(sitk.ReadImage(str(case.image)), sitk.sitkInt16)
    if image.GetDimension() != 3:
        raise ProgramError(f"{case.image.name} has {image.GetDimension()} dimensions, expected 3")
    name = stem_of(case.image)
    direction, now = image.GetDirection(), time.localtime()
    orientation = "\\".join(str(direction[index]) for index in (0, 3, 6, 1, 4, 7))
    common = {
        "0008|0008": "DERIVED\\SECONDARY",
        "0008|0021": time.strftime("%Y%m%d", now),
        "0008|0031": time.strftime("%H%M%S", now),
        "0008|0060": case.modality or modality,
        "0008|103e": name,
        "0008|1070": case.image.parent.name,
        "0010|0010": name,
        "0010|0020": name,
        "0020|000d": case.study or generate_uid(),
        "0020|000e": series,
        "0020|0010": name,
        "0020|0011": str(place),
        "0020|0037": orientation,
        **case.tags,
    }
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG2000")
    for index in range(image.GetDepth()):
        slice_ = image[:, :, index]
        for tag, value in common.items():
            slice_.SetMetaData(tag, value)
        position = image.TransformIndexToPhysicalPoint((0, 0, index))
        slice_.SetMetaData("0020|0032", "\\".join(str(value) for value in position))
        slice_.SetMetaData("0020|0013", str(index + 1))
        slice_.SetMetaData("0008|0018", generate_uid())
        writer.SetFileName(str(output / f"slice{index:04d}.dcm"))
        writer.Execute(slice_)
    return int(image.GetDepth())


def main() -> None:
    """Make an element of every image below the run's input folder, with its mask beside it."""
    run = RunFolder.from_environment()
    modality = os.environ.get("MODALITY", "OT")
    if modality not in _MODALITIES:
        raise ProgramError(f"MODALITY is {modality!r}, expected one of {', '.join(_MODALITIES)}")
    source = run.inside(require("OPERATOR_IN_DIR"))
    place = 0
    for place, case in enumerate(cases(source), start=1):
        series = generate_uid()
        element = run.inside(run.batch, series)
        output = run.inside(run.batch, series, require("OPERATOR_OUT_DIR"))
        output.mkdir(parents=True, exist_ok=True)
        try:
            count = write_series(case, output, series, place, modality)
        except RuntimeError as error:
            raise ProgramError(f"{case.image.name}: {str(error).strip().splitlines()[-1]}") from error
        if case.mask is not None:
            (element / _MASKS_DIR).mkdir()
            for path in (case.mask, case.seg_info):
                if path is not None:
                    shutil.copy2(path, element / _MASKS_DIR / path.name)
        with_mask = f"mask {case.mask.name}" if case.mask else "no mask"
        say(f"{run.relative(case.image)} -> {run.relative(output)}: {count} slice(s), {with_mask}")
    if not place:
        raise FileNotFoundError(f"no NIfTI dataset below {run.relative(source)}")
