# mypy: disable-error-code="import-not-found"
"""Radiomics features (operators 5.10). The program of PyRadiomicsOperator.

The library is pyradiomics 3.0.1: the source package of 3.1.0 lacks its headers.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from harness.incluster.programs.common import RunFolder, SkipTaskError, notice, require, say

_CLASSES = ("shape", "firstorder")
_OF_BROKEN_MASKS = (*_CLASSES, "glcm", "gldm", "glrlm", "glszm", "ngtdm")
_PREFIX = "original_"
_SPACING_MM = [3, 3, 3]
_DIGITS = 4


def features(extractor: Any, image: Path, mask: Path) -> dict[str, float]:
    """Return the features of the image inside a mask, by the library's names without their prefix.

    Voxels of value 1 count and no others, as that is the library's default. A mask of one value, and whatever the
    library raises, gives zeros for more features than a good mask has, as on the platform.
    """
    import numpy as np
    import SimpleITK

    sitk: Any = SimpleITK  # its stubs leave half of its methods untyped
    try:
        values = sitk.ReadImage(str(mask))
        numbers = np.unique(sitk.GetArrayViewFromImage(values)).tolist()
        if len(numbers) < 2:
            say(f"{mask.name}: has one value only, its features are 0")
            return _zeros()
        if 1 not in numbers:
            listed = ", ".join(f"{number:g}" for number in numbers[:5])
            notice("mask-of-other-values", f"{mask.name} has the values {listed}: only voxels of value 1 have features")
        found = extractor.execute(sitk.ReadImage(str(image)), values)
    except Exception as error:  # the library raises many kinds, and the platform's program takes them all
        say(f"{mask.name}: {str(error).strip() or type(error).__name__}, its features are 0")
        return _zeros()
    return {
        name.removeprefix(_PREFIX): round(float(value), _DIGITS)
        for name, value in found.items()
        if name.startswith(_PREFIX)
    }


def _zeros() -> dict[str, float]:
    from radiomics import getFeatureClasses

    classes = getFeatureClasses()
    return {
        f"{kind}_{name}": 0.0
        for kind in _OF_BROKEN_MASKS
        for name, deprecated in classes[kind].getFeatureNames().items()
        if not deprecated
    }


def _extractor() -> Any:
    import radiomics
    from radiomics import featureextractor

    radiomics.logger.setLevel(logging.ERROR)
    extractor = featureextractor.RadiomicsFeatureExtractor(resampledPixelSpacing=_SPACING_MM)
    extractor.disableAllFeatures()
    for kind in _CLASSES:
        extractor.enableFeatureClassByName(kind)
    return extractor


def main() -> None:
    """Skip the task unless the form's ``radiomics`` is true; otherwise write a table for each element.

    The first element without masks ends the program well, as on the platform.
    """
    if os.environ.get("RADIOMICS", "").lower() not in ("true", "1", "t"):
        raise SkipTaskError("RADIOMICS is not true")
    run = RunFolder.from_environment()
    masks_folder = require("OPERATOR_IN_SEGMENATIONS_DIR")
    extractor = _extractor()
    for element, folder, output in run.pairs(require("OPERATOR_IN_DIR"), require("OPERATOR_OUT_DIR")):
        masks = sorted(run.inside(run.batch, element.name, masks_folder).glob("*.nii.gz"))
        images = sorted(folder.glob("*.nii.gz"))
        if not masks:
            say(f"{element.name}: no *.nii.gz in {masks_folder}, this element and those after it have no features")
            return
        if not images:
            say(f"{element.name}: no *.nii.gz in {run.relative(folder)}, no features")
            continue
        table = {mask.name.partition(".")[0]: features(extractor, images[0], mask) for mask in masks}
        target = output / f"{images[0].name.removesuffix('.nii.gz')}.json"
        target.write_text(json.dumps(table, indent=4), "utf-8")
        say(f"{element.name}: features of {len(masks)} mask(s) -> {run.relative(target)}")
