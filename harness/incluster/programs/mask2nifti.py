"""DICOM SEG and RTSTRUCT objects to masks (operators 5.3). The program of Mask2nifitiOperator."""

from __future__ import annotations

import os
from pathlib import Path

import pydicom

from harness.incluster.programs import segments
from harness.incluster.programs.common import ProgramError, RunFolder, comma_list, flag, require, say


def _normalise(label: str) -> str:
    """Return a SegmentLabel for the file's name and the filter: lower case, without commas and blanks."""
    return label.lower().replace(",", "").replace(" ", "")


def main() -> None:
    """Convert every ``*.dcm`` of every element by its modality."""
    run = RunFolder.from_environment()
    source, images = require("OPERATOR_IN_DIR"), os.environ.get("BASE_DICOM_DIR", "")
    output_type = os.environ.get("OUTPUT_TYPE") or "nii.gz"
    if output_type not in segments.TYPES:
        raise ProgramError(f"OUTPUT_TYPE is {output_type!r}, expected one of {', '.join(segments.TYPES)}")
    wanted = comma_list(os.environ.get("SEG_FILTER", "").lower().replace(" ", ""))
    must_work = flag("EXIT_ON_ISSUE", "True")
    done = 0
    for element in run.elements():
        for name in filter(None, (source, images)):
            if not run.inside(run.batch, element.name, name).is_dir():
                raise ProgramError(f"{element.name}: has no folder {name}")
        folder = run.inside(run.batch, element.name, source)
        output = run.inside(run.batch, element.name, require("OPERATOR_OUT_DIR"))
        output.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.glob("*.dcm")):
            try:
                _convert(run, element, file, output, images, output_type, wanted)
            except ProgramError as problem:
                if must_work:
                    raise
                say(f"NOT CONVERTED {problem}")
                continue
            done += 1
    if not done:
        raise ProgramError("no files processed: no element has a *.dcm that could be converted")


def _convert(
    run: RunFolder, element: Path, file: Path, output: Path, images: str, output_type: str, wanted: list[str]
) -> None:
    try:
        modality = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["Modality"]).get("Modality", "")
    except Exception as error:  # pydicom raises many kinds on broken files
        raise ProgramError(f"{file.name} is not readable as DICOM: {error}") from error
    if modality == "SEG":
        segments.convert(
            file, output, output_type, label_of=_normalise, keep=lambda label: not wanted or _normalise(label) in wanted
        )
    elif modality == "RTSTRUCT":
        from harness.incluster.programs import rtstruct

        if not images:
            raise ProgramError(f"{file.name} is an RTSTRUCT: it needs the parameter dicom_operator")
        rtstruct.convert(file, run.inside(run.batch, element.name, images), output, wanted)
    else:
        raise ProgramError(f"{file.name} has the modality {modality or 'of nothing'}, expected SEG or RTSTRUCT")
