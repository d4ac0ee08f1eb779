"""DICOM SEG objects to masks (operators 5.4). The program of DcmSeg2ItkOperator, in the image of dcmqi."""

from __future__ import annotations

import os

from harness.incluster.programs import segments
from harness.incluster.programs.common import ProgramError, RunFolder, comma_list, require


def _normalise(label: str) -> str:
    return label.lower().replace(",", " ").replace("  ", " ")


def main() -> None:
    """Convert every ``*.dcm`` of every element; the first that fails ends the program."""
    run = RunFolder.from_environment()
    output_type = os.environ.get("OUTPUT_TYPE") or "nrrd"
    if output_type not in segments.TYPES:
        raise ProgramError(f"OUTPUT_TYPE is {output_type!r}, expected one of {', '.join(segments.TYPES)}")
    wanted = [entry.strip().lower() for entry in comma_list(os.environ.get("SEG_FILTER", ""))]
    done = 0
    for _, folder, output in run.pairs(require("OPERATOR_IN_DIR"), require("OPERATOR_OUT_DIR")):
        for file in sorted(folder.glob("*.dcm")):
            segments.convert(
                file,
                output,
                output_type,
                label_of=lambda label: label.lower(),
                keep=lambda label: not wanted or _normalise(label) in wanted,
            )
            done += 1
    if not done:
        raise ProgramError("no files processed: no element has a *.dcm in its input folder")
