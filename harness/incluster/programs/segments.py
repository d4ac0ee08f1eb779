"""DICOM SEG objects to masks, a file for each segment: what two programs share (operators 5.3, 5.4)."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.incluster.programs import mask_names
from harness.incluster.programs.common import ProgramError, notice, read_json, say
from harness.incluster.programs.dcmqi_tools import cause_of, executable
from harness.wire.dicom import LABEL_MAP_STORAGE

if TYPE_CHECKING:
    from pydicom import Dataset

# the types that dcmqi knows, by the platform's name of the format
TYPES = {"nrrd": "nrrd", "mhd": "mhd", "mha": "mha", "nii": "nii", "nii.gz": "nii", "nifti": "nii"}
TYPES |= {"hdr": "hdr", "img": "img"}
# further files that dcmqi writes
_COMPANIONS = {"mhd": ("zraw", "raw"), "hdr": ("img",), "img": ("hdr",)}
_TIMEOUT_S = 120


def convert(
    file: Path, output: Path, output_type: str, label_of: Callable[[str], str], keep: Callable[[str], bool]
) -> list[str]:
    """Write the segments of one SEG as ``<stem>--<number>--<label>.<type>`` and ``<stem>-meta.json``.

    Args:
        label_of: SegmentLabel to the label in the file name.
        keep: whether the segment with this SegmentLabel is wanted; others are dropped, also from the JSON.

    Returns:
        The labels that were kept. The value of a mask's voxels is the segment's number, not 1.

    Raises:
        ProgramError: dcmqi fails, or writes other names than expected; the SEG is a label map.
    """
    start = time.monotonic()
    header = _header(file)
    _refuse_label_map(file, header)
    stem = file.name.removesuffix(".dcm")
    command = [executable("segimage2itkimage"), "--outputType", TYPES[output_type], "-p", stem]
    command += ["--outputDirectory", str(output), "--inputDICOM", str(file)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{file.name}: dcmqi has not finished after {_TIMEOUT_S} s") from None
    text = done.stdout.decode("utf-8", "replace")
    meta_path = output / f"{stem}-meta.json"
    if done.returncode != 0 or not meta_path.is_file():
        print(text, end="", flush=True)
        raise ProgramError(f"dcmqi refuses {file.name}: {_numbering(header) or cause_of(text, done.returncode)}")
    if str(header.get("SegmentationType", "")) == "FRACTIONAL":
        notice("fractional-segmentation", f"{file.name} is FRACTIONAL: its masks have values up to 255, not 0 and 1")
    meta = read_json(meta_path)
    kept, labels = [], []
    for group in meta.get("segmentAttributes", []):
        (segment,) = group
        number, label = segment["labelID"], str(segment.get("SegmentLabel", ""))
        written = output / f"{stem}-{number}.{output_type}"
        if not written.is_file():
            there = ", ".join(path.name for path in sorted(output.glob(f"{stem}-{number}.*"))) or "nothing"
            raise ProgramError(f"{written.name} is not there, dcmqi wrote {there}: ask for the type nii.gz instead")
        if not keep(label):
            written.unlink()
            continue
        # the data file of a header keeps its name, because the header refers to it
        name = mask_names.mask_name(stem, number, label_of(label), output_type)
        for companion in _COMPANIONS.get(output_type, ()):
            if output_type in ("hdr", "img") and (other := written.with_suffix(f".{companion}")).is_file():
                other.rename(output / mask_names.mask_name(stem, number, label_of(label), companion))
        written.rename(output / name)
        kept.append(group)
        labels.append(label)
    meta["segmentAttributes"] = kept
    meta_path.write_text(json.dumps(meta, indent=4), "utf-8")
    seconds = time.monotonic() - start
    say(f"{file.name}: {len(labels)} segment(s): {', '.join(labels) or 'none'} ({seconds:.1f} s)")
    return labels


def _header(file: Path) -> Dataset:
    """Return the attributes that decide how dcmqi reads a SEG; empty if it is not DICOM, which dcmqi reports."""
    import pydicom

    wanted = ["SOPClassUID", "SegmentationType", "SegmentSequence"]
    try:
        return pydicom.dcmread(file, stop_before_pixels=True, specific_tags=wanted)
    except Exception:  # a parser on foreign bytes raises nearly anything
        return pydicom.Dataset()


def _numbering(header: Dataset) -> str:
    """Return the problem of the segments' numbers, with which dcmqi fails without a reason."""
    numbers = [int(item.get("SegmentNumber", -1)) for item in header.get("SegmentSequence", ())]
    if numbers == list(range(1, len(numbers) + 1)):
        return ""
    return (
        f"its segments are numbered {', '.join(map(str, numbers)) or 'not at all'}, they must count from 1 without gaps"
    )


def _refuse_label_map(file: Path, header: Dataset) -> None:
    """Refuse label maps, which only newer versions than the platform's dcmqi 1.2.5 may read."""
    if header.get("SOPClassUID", "") == LABEL_MAP_STORAGE:
        raise ProgramError(
            f"{file.name} is a label map (Label Map Segmentation Storage): the platform's dcmqi 1.2.5 reads only "
            "Segmentation Storage, BINARY or FRACTIONAL"
        )
