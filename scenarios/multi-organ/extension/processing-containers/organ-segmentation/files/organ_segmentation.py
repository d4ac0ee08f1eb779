"""Separate the tissues of skull-stripped T1 images with several thresholds after Otsu.

For every element of the batch: `OPERATOR_IN_DIR/<volume>.nii.gz` becomes `OPERATOR_OUT_DIR/<volume>--<n>--<tissue>.nii.gz`
(0 and 1, same grid) for every tissue of the form, and `OPERATOR_OUT_DIR/seg_info.json`, the list of labels.
"""

import ast
import json
import os
import sys
from pathlib import Path

import SimpleITK as sitk

# from dark to bright; the background comes before them
TISSUES = ["liquor", "grey matter", "white matter"]


def wanted_tissues():
    """The tissues of the form: a list arrives as the text of a Python list."""
    wanted = ast.literal_eval(os.environ.get("TISSUES", str(TISSUES)))
    unknown = set(wanted) - set(TISSUES)
    if unknown or not wanted:
        raise ValueError(f"TISSUES is {wanted}, expected some of {TISSUES}")
    return [tissue for tissue in TISSUES if tissue in wanted]


def classes(image):
    """A label image: 0 the background, then the tissues from dark to bright."""
    inside = image > 0  # skull-stripped: what is not the head is exactly zero
    otsu = sitk.OtsuMultipleThresholdsImageFilter()
    otsu.SetNumberOfThresholds(len(TISSUES) - 1)
    otsu.SetNumberOfHistogramBins(256)
    # the background would be a class of its own and the largest, so the histogram is that of the head alone
    values = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(inside) > 0]
    otsu.Execute(sitk.GetImageFromArray(values.reshape(1, -1)))
    edges = otsu.GetThresholds()
    result = sitk.Cast(inside, sitk.sitkUInt8)
    for edge in edges:
        result += sitk.Cast((image > edge) & inside, sitk.sitkUInt8)
    return result, edges


def process(input_file, output_dir, tissues):
    """Write the masks of one volume, and return their label list."""
    image = sitk.ReadImage(str(input_file))
    labels, edges = classes(image)
    output_dir.mkdir(parents=True, exist_ok=True)
    stem = input_file.name.removesuffix(".nii.gz")
    seg_info = []
    for number, tissue in enumerate(TISSUES, start=1):
        if tissue not in tissues:
            continue
        mask = sitk.Cast(labels == number, sitk.sitkUInt8)
        sitk.WriteImage(mask, str(output_dir / f"{stem}--{number}--{tissue}.nii.gz"), useCompression=True)
        seg_info.append({"label_name": tissue, "label_int": number})
    (output_dir / "seg_info.json").write_text(json.dumps({"seg_info": seg_info}))
    print(f"{input_file}: thresholds {edges}, {len(seg_info)} tissue(s): {', '.join(tissues)}")


def main():
    tissues = wanted_tissues()
    processed = 0
    batch_dir = Path("/", os.environ["WORKFLOW_DIR"], os.environ["BATCH_NAME"])
    for element_dir in sorted(batch_dir.glob("*")):
        for input_file in sorted((element_dir / os.environ["OPERATOR_IN_DIR"]).glob("*.nii.gz")):
            process(input_file, element_dir / os.environ["OPERATOR_OUT_DIR"], tissues)
            processed += 1
    if processed == 0:
        sys.exit(f"no volume *.nii.gz found in {batch_dir}/*/{os.environ['OPERATOR_IN_DIR']}")


if __name__ == "__main__":
    main()
