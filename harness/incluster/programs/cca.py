"""Connected components of masks (operators 5.8). The program of ConnectedComponentAnalysisOperator."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from harness.incluster.programs.common import ProgramError, RunFolder, notice, read_json, require, say

sitk: Any = SimpleITK  # its stubs leave half of its methods untyped
_KEY = "connected_component_analysis"


def components(mask: Path) -> dict[str, int]:
    """Return component id to number of voxels, 26-connected; 0 is the background.

    As on the platform the ids end one too early: the last component is missing.
    """
    image = sitk.ReadImage(str(mask))
    labelled = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.Cast(image, sitk.sitkInt32) != 0, True))
    counts = np.bincount(labelled.ravel())
    return {str(number): int(count) for number, count in enumerate(counts[:-1])}


def main() -> None:
    """Add the counts of every element's masks to the first JSON document of ``JSON_INFO_DIR``."""
    run = RunFolder.from_environment()
    if os.environ.get("CONNECTIVITY", "26") != "26":
        notice("no-effect", f"CONNECTIVITY {os.environ['CONNECTIVITY']} has no effect, it is always 26")
    done = 0
    for element, folder, output in run.pairs(require("OPERATOR_IN_DIR"), require("OPERATOR_OUT_DIR")):
        documents = sorted(run.inside(run.batch, element.name, require("JSON_INFO_DIR")).glob("*.json"))
        if not documents:
            say(f"{element.name}: no *.json in {os.environ['JSON_INFO_DIR']}, skipped")
            continue
        content = read_json(documents[0])
        if not isinstance(content, dict):
            raise ProgramError(f"{documents[0]} is not a JSON object")
        masks = sorted(folder.glob("*.nii.gz"))
        for mask in masks:
            content.setdefault(_KEY, {})[mask.name] = components(mask)
            done += 1
        (output / documents[0].name).write_text(json.dumps(content, indent=4), "utf-8")
        say(f"{element.name}: {len(masks)} mask(s) -> {run.relative(output)}/{documents[0].name}")
    if not done:
        raise ProgramError("no files processed: no element has masks and a document")
