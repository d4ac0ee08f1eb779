"""Change tags of DICOM files in place (operators 6.15). The program of DcmModifyOperator, with DCMTK's dcmodify."""

from __future__ import annotations

import re
import subprocess

from harness.incluster.programs.common import ProgramError, RunFolder, require, say

_CHANGE = re.compile(r"\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\)=.*", re.DOTALL)


def changes(text: str) -> list[str]:
    """Return the single changes of ``(gggg,eeee)=value;(gggg,eeee)=value``; a value cannot have a semicolon."""
    found = [part.strip() for part in text.split(";") if part.strip()]
    for part in found:
        if not _CHANGE.fullmatch(part):
            raise ProgramError(f"{part!r} is not a change of a tag, expected (gggg,eeee)=value")
    return found


def main() -> None:
    """Modify every ``*.dcm`` of the **input** folders; a file that fails is only logged, all of them is an error."""
    run = RunFolder.from_environment()
    options = [option for change in changes(require("DICOM_TAGS_TO_MODIFY")) for option in ("-m", change)]
    done = 0
    for element, folder, _ in run.pairs(require("OPERATOR_IN_DIR"), require("OPERATOR_OUT_DIR")):
        for path in sorted(folder.glob("*.dcm")):
            try:
                result = subprocess.run(
                    ["dcmodify", *options, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
                )
            except FileNotFoundError:
                raise ProgramError("the program dcmodify of DCMTK is not installed in this image") from None
            if result.returncode:
                text = result.stdout.decode("utf-8", "replace").strip()
                say(f"NOT MODIFIED {element.name}: {path.name}: {text} (-m does not create a tag that is missing)")
                continue
            done += 1
        say(f"{element.name}: {run.relative(folder)} modified in place, the output folder stays empty")
    if not done:
        raise ProgramError("no files processed: no file could be modified")
