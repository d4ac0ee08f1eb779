"""Segment tissue: `OPERATOR_IN_DIR/<volume>.nrrd` of each element becomes the mask `OPERATOR_OUT_DIR/<volume>.nrrd`.

MODEL names the model below /models/tissue-mask, THRESHOLD replaces its threshold in HU, SMOOTHING_MM closes gaps.
"""

import json
import os
import sys
from pathlib import Path

import SimpleITK as sitk

MODELS = Path("/models/tissue-mask")


def read_model(name):
    """Return what is installed of a model."""
    path = MODELS / name / "model.json"
    if not path.is_file():
        sys.exit(f"the model {name} is not installed in this project: start tissue-mask-models with it first")
    return json.loads(path.read_text())


def segment(image, threshold, smoothing_mm):
    """Return the mask of all that is brighter than the threshold."""
    mask = image > threshold
    if smoothing_mm:
        radius = [max(1, round(smoothing_mm / spacing)) for spacing in image.GetSpacing()]
        # within a slice: the slices may be farther apart than the gaps are wide
        mask = sitk.BinaryMorphologicalClosing(mask, [*radius[:2], 0])
    return mask


def main():
    threshold = float(os.environ.get("THRESHOLD") or read_model(os.environ["MODEL"])["threshold"])
    batch = Path(os.environ["WORKFLOW_DIR"], os.environ["BATCH_NAME"])
    volumes = sorted(batch.glob(f"*/{os.environ['OPERATOR_IN_DIR']}/*.nrrd"))
    if not volumes:
        sys.exit(f"no volume below {batch}/*/{os.environ['OPERATOR_IN_DIR']}")
    for volume in volumes:
        mask = segment(sitk.ReadImage(volume), threshold, float(os.environ["SMOOTHING_MM"]))
        target = volume.parents[1] / os.environ["OPERATOR_OUT_DIR"] / volume.name
        target.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(mask, target, useCompression=True)
        voxels = int(sitk.GetArrayViewFromImage(mask).sum())
        print(f"{volume.name}: {voxels} voxels above {threshold} HU")


if __name__ == "__main__":
    main()
