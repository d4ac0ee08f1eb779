"""Features of images inside masks.

For every element of the batch: the image `OPERATOR_IN_DIR/*.nii.gz` and the masks `MASKS_IN_DIR/<any>--<n>--<name>.nii.gz`,
which `MASKS_IN_DIR/<any>-meta.json` describes, become `OPERATOR_OUT_DIR/<n>.json`. All of them together become the table
`OPERATOR_OUT_DIR/features-<run>.csv` of the workflow.
"""

import ast
import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk


def first_order(values, bin_width):
    """Features of the intensities inside the mask, a flat array in units of the image."""
    bins = np.floor(values / bin_width).astype(int)
    share = np.unique(bins, return_counts=True)[1] / values.size
    return {
        "firstorder_mean": float(values.mean()),
        "firstorder_standard_deviation": float(values.std()),
        "firstorder_minimum": float(values.min()),
        "firstorder_10_percentile": float(np.percentile(values, 10)),
        "firstorder_median": float(np.median(values)),
        "firstorder_90_percentile": float(np.percentile(values, 90)),
        "firstorder_maximum": float(values.max()),
        "firstorder_energy": float(np.sum(values**2)),
        "firstorder_entropy": float(-np.sum(share * np.log2(share))),
    }


def shape(mask):
    """Features of the shape of the mask, in millimetres."""
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(mask)
    return {
        "shape_volume_ml": statistics.GetPhysicalSize(1) / 1000,
        "shape_surface_mm2": statistics.GetPerimeter(1),
        "shape_roundness": statistics.GetRoundness(1),
        "shape_elongation": statistics.GetElongation(1),
        "shape_flatness": statistics.GetFlatness(1),
        "shape_equivalent_radius_mm": statistics.GetEquivalentSphericalRadius(1),
    }


def segments(masks_dir):
    """(number, label, file of the mask) of every segment."""
    for meta_file in sorted(masks_dir.glob("*-meta.json")):
        for group in json.loads(meta_file.read_text())["segmentAttributes"]:
            for segment in group:
                number = segment["labelID"]
                stem = meta_file.name.removesuffix("-meta.json")
                (mask_file,) = masks_dir.glob(f"{stem}--{number}--*.nii.gz")
                yield number, segment["SegmentLabel"], mask_file


def process(element_dir, feature_classes, bin_width):
    """Write the features of one element and return its rows."""
    (image_file,) = (element_dir / os.environ["OPERATOR_IN_DIR"]).glob("*.nii.gz")
    image = sitk.ReadImage(str(image_file))
    output_dir = element_dir / os.environ["OPERATOR_OUT_DIR"]
    output_dir.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, label, mask_file in segments(element_dir / os.environ["MASKS_IN_DIR"]):
        # the masks' voxels have the number of the segment, and only the slices that the segmentation has
        mask = sitk.ReadImage(str(mask_file)) != 0
        mask = sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
        values = sitk.GetArrayFromImage(image)[sitk.GetArrayViewFromImage(mask) > 0].astype(float)
        if values.size == 0:
            print(f"{element_dir.name}: segment {number} ({label}) has no voxel on the image, left out")
            continue
        features = {"voxels": int(values.size)}
        if "firstorder" in feature_classes:
            features.update(first_order(values, bin_width))
        if "shape" in feature_classes:
            features.update(shape(mask))
        row = {"segmentation": element_dir.name, "segment": number, "label": label, **features}
        (output_dir / f"{number}.json").write_text(json.dumps(row, indent=2))
        rows.append(row)
    print(f"{element_dir.name}: {len(rows)} segment(s): {', '.join(row['label'] for row in rows)}")
    return rows


def main():
    feature_classes = ast.literal_eval(os.environ["FEATURE_CLASSES"])
    bin_width = float(os.environ["BIN_WIDTH"])
    print(f"feature classes {feature_classes}, bin width {bin_width}")

    workflow_dir = Path("/", os.environ["WORKFLOW_DIR"])
    rows = []
    for element_dir in sorted((workflow_dir / os.environ["BATCH_NAME"]).glob("*")):
        rows += process(element_dir, feature_classes, bin_width)
    if not rows:
        sys.exit("no segment has a voxel on its image: nothing to compute")

    # the run's name in the file's name: single executions write into the same folder of the bucket
    output_dir = workflow_dir / os.environ["OPERATOR_OUT_DIR"]
    output_dir.mkdir(parents=True, exist_ok=True)
    with open(output_dir / f"features-{os.environ['RUN_ID']}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
