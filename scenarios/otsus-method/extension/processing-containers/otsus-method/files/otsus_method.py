"""Segment volumes with Otsu's method.

For every element of the batch: `OPERATOR_IN_DIR/<volume>.nrrd` becomes the mask `OPERATOR_OUT_DIR/<volume>.nrrd`
(0 and 1, same grid) and the figures of the report, `OPERATOR_OUT_DIR/otsu.json`.
"""

import glob
import json
import os
import sys

import numpy as np
import SimpleITK as sitk

BINS_DEFAULT, BINS_MIN, BINS_MAX = 128, 2, 4096


def threshold_bins():
    """Number of histogram bins, from the form of the workflow."""
    bins = int(os.environ.get("THRESHOLD_BINS", BINS_DEFAULT))
    if not BINS_MIN <= bins <= BINS_MAX:
        raise ValueError(f"THRESHOLD_BINS is {bins}, expected {BINS_MIN} to {BINS_MAX}")
    return bins


def segment(image, bins):
    """Return the mask of the brightest large object in `image`, and the threshold that separates it."""
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(bins)
    otsu.SetInsideValue(0)
    otsu.SetOutsideValue(1)
    above = otsu.Execute(image)

    components = sitk.ConnectedComponent(above)
    largest = sitk.RelabelComponent(components, sortByObjectSize=True) == 1
    return sitk.BinaryFillhole(largest), otsu.GetThreshold()


def figures(image, mask, threshold, bins):
    """What the report shows of one volume."""
    values = sitk.GetArrayViewFromImage(image)
    counts, edges = np.histogram(values, bins=min(bins, 256))
    voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask)))
    return {
        "bins": bins,
        "threshold": float(threshold),
        "voxels": voxels,
        "volume_ml": voxels * float(np.prod(image.GetSpacing())) / 1000,
        "histogram": {"counts": counts.tolist(), "edges": edges.tolist()},
    }


def process(input_file, output_dir, bins):
    """Segment one volume and write mask and figures."""
    image = sitk.ReadImage(input_file)
    mask, threshold = segment(image, bins)

    os.makedirs(output_dir, exist_ok=True)
    output_file = os.path.join(output_dir, os.path.basename(input_file))
    sitk.WriteImage(mask, output_file, useCompression=True)

    result = figures(image, mask, threshold, bins)
    with open(os.path.join(output_dir, "otsu.json"), "w") as file:
        json.dump({"image": input_file, "mask": output_file, **result}, file)
    print(f"{input_file}: threshold {threshold:.1f}, {result['volume_ml']:.1f} ml -> {output_file}")


def main():
    bins = threshold_bins()
    print(f"Otsu's method with {bins} histogram bins")

    processed = 0
    batch_dir = os.path.join("/", os.environ["WORKFLOW_DIR"], os.environ["BATCH_NAME"])
    for element_dir in sorted(glob.glob(os.path.join(batch_dir, "*"))):
        element_input_dir = os.path.join(element_dir, os.environ["OPERATOR_IN_DIR"])
        element_output_dir = os.path.join(element_dir, os.environ["OPERATOR_OUT_DIR"])
        for input_file in sorted(glob.glob(os.path.join(element_input_dir, "*.nrrd"))):
            process(input_file, element_output_dir, bins)
            processed += 1

    if processed == 0:
        sys.exit(f"no volume *.nrrd found in {batch_dir}/*/{os.environ['OPERATOR_IN_DIR']}")
    print(f"{processed} volume(s) segmented")


if __name__ == "__main__":
    main()
