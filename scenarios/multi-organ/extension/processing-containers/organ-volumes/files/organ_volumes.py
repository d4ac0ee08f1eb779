"""Volumes of masks as a table, `OPERATOR_OUT_DIR/volumes.csv` for every element of the batch.

Masks below MIN_VOLUME_ML millilitres are left out. When none is left anywhere there is nothing to report: the exit
code 126 makes the platform skip this task and what follows it.
"""

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SKIP = 126


def volumes(masks_dir, smallest):
    """Rows (tissue, voxels, millilitres) of the masks in a folder."""
    for entry in json.loads((masks_dir / "seg_info.json").read_text())["seg_info"]:
        (mask_file,) = masks_dir.glob(f"*--{entry['label_int']}--{entry['label_name']}.nii.gz")
        mask = sitk.ReadImage(str(mask_file))
        voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask)))
        millilitres = voxels * float(np.prod(mask.GetSpacing())) / 1000
        if millilitres >= smallest:
            yield entry["label_name"], voxels, round(millilitres, 2)


def main():
    smallest = float(os.environ.get("MIN_VOLUME_ML", 1))
    reported = 0
    batch_dir = Path("/", os.environ["WORKFLOW_DIR"], os.environ["BATCH_NAME"])
    for element_dir in sorted(batch_dir.glob("*")):
        rows = list(volumes(element_dir / os.environ["OPERATOR_IN_DIR"], smallest))
        print(f"{element_dir.name}: {len(rows)} tissue(s) of at least {smallest} ml")
        if not rows:
            continue
        output_dir = element_dir / os.environ["OPERATOR_OUT_DIR"]
        output_dir.mkdir(parents=True, exist_ok=True)
        with open(output_dir / "volumes.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["series", "tissue", "voxels", "millilitres"])
            writer.writerows([element_dir.name, *row] for row in rows)
        reported += 1
    if reported == 0:
        print("nothing to report")
        sys.exit(SKIP)


if __name__ == "__main__":
    main()
