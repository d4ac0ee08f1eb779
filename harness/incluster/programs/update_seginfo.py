"""Which labels a mask has (operators 5.7). The program of UpdateSegInfoJSONOperator."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import nibabel
import numpy as np

from harness.incluster.programs import mask_names
from harness.incluster.programs.common import ProgramError, RunFolder, read_json, require, say

nib: Any = nibabel  # its functions are untyped


def main() -> None:
    """Copy every element's mask and write its label list with ``file_found``; no label is removed."""
    run = RunFolder.from_environment()
    mode = os.environ.get("MODE") or "update_json"
    if mode != "update_json":
        raise ProgramError(f"MODE is {mode!r}, expected update_json")
    done = 0
    for element, folder, output in run.pairs(require("OPERATOR_IN_DIR"), require("OPERATOR_OUT_DIR")):
        masks = sorted(folder.glob("*.nii.gz"))
        info = mask_names.find_only_json(folder, "seg_info")
        if info is None:
            raise ProgramError(f"{element.name}: needs exactly one *.json with seg_info in its path")
        if len(masks) != 1:
            raise ProgramError(f"{element.name}: {len(masks)} *.nii.gz in {run.relative(folder)}, expected one")
        target = output / "seg_info.json"
        if target.exists():
            raise ProgramError(f"{run.relative(target)} exists already: the output of an earlier attempt has to go")
        values = {int(value) for value in np.unique(np.asarray(nib.load(masks[0]).dataobj))}
        entries = mask_names.entries_of(read_json(info), info)
        entries = [{**entry, "file_found": int(entry["label_int"]) in values} for entry in entries]
        shutil.copy2(masks[0], output / masks[0].name)
        target.write_text(json.dumps({"seg_info": entries}, indent=4), "utf-8")
        found = sum(entry["file_found"] for entry in entries)
        say(f"{element.name}: {found} of {len(entries)} label(s) are in {masks[0].name}")
        done += 1
    if not done:
        raise ProgramError("no files processed: no element has the input folder")
