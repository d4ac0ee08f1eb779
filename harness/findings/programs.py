"""Rules about built-in operators. Their programs print notices into the log, which :mod:`harness.run.notices` reads."""

from __future__ import annotations

from typing import Final

from harness.findings.rule import Rule

AE_TITLE_CUT: Final = Rule(
    "ae-title-cut",
    "warning",
    "DcmSendOperator: a calling or called AE title is longer than DICOM allows, and gets cut",
    "use at most 13 characters in the names of projects and datasets",
)
NOTHING_TO_SEND: Final = Rule(
    "nothing-to-send",
    "warning",
    "DcmSendOperator: an element of the batch has no DICOM file",
    "check input_operator, and that the operator before it wrote .dcm files for every element",
)
WHITELIST_IS_TEXT: Final = Rule(
    "whitelist-is-text",
    "warning",
    "MinioOperator: whitelisted_file_extensions is a string: each of its characters counts as an extension",
    "use a list: whitelisted_file_extensions=['.json']",
)
WHITELIST_ONLY_ZIP: Final = Rule(
    "whitelist-only-zip",
    "warning",
    "MinioOperator: the whitelist of a zipped upload has only .zip, but it applies before zipping",
    "list the extensions of the files, not .zip: the operator zips them itself",
)
WHITELIST_WITHOUT_DOT: Final = Rule(
    "whitelist-without-dot",
    "warning",
    "MinioOperator: an extension in the whitelist has no dot and matches no file",
    "write the dot: '.json'",
)
CUSTOM_SEGMENT_CODE: Final = Rule(
    "custom-segment-code",
    "warning",
    "Itk2DcmSegOperator: a label is not in the code table, and its segment gets the custom code",
    "name the label like a term of the standard to get its code",
)
OLD_METADATA_USED: Final = Rule(
    "old-metadata-used",
    "warning",
    "Itk2DcmSegOperator: it uses a .json beside a mask as the metadata of the segments",
    "the operator that writes the masks must not write a .json of the same name beside them",
)
MASK_BESIDE_SOURCE: Final = Rule(
    "mask-beside-source",
    "warning",
    "Itk2DcmSegOperator: the mask does not lie on the voxels of its source series",
    "give the mask the origin, spacing and direction of its source image",
)
MASK_FRACTIONAL: Final = Rule(
    "mask-fractional",
    "warning",
    "Itk2DcmSegOperator: a mask has fractional values, such as probabilities, which get cut",
    "threshold the mask and write whole numbers: 0 and the value of the label",
)
LABEL_WITHOUT_VOXELS: Final = Rule(
    "label-without-voxels",
    "info",
    "Itk2DcmSegOperator: a label of seg_info has no voxel in the mask and gets no segment",
    "nothing if the image does not show that organ; otherwise compare label_int with the values of the mask",
)
SEGMENTS_RENUMBERED: Final = Rule(
    "segments-renumbered",
    "info",
    "Itk2DcmSegOperator: the values of a mask have gaps, but segments are numbered without gaps: masks made from the "
    "SEG have other values",
    "find a segment by its label, not by its number, or give labels the values 1, 2, 3, ...",
)
FRACTIONAL_SEGMENTATION: Final = Rule(
    "fractional-segmentation",
    "warning",
    "Mask2nifitiOperator, DcmSeg2ItkOperator: a SEG holds probabilities, and its masks have values up to 255",
    "threshold the masks, or write BINARY segmentations",
)
SEVERAL_VOLUMES: Final = Rule(
    "several-volumes",
    "warning",
    "DcmConverterOperator: an element of the batch has several series and becomes several volumes",
    "put one series into each element: later tasks find more than one file",
)
NAME_WITHOUT_DOT: Final = Rule(
    "name-without-dot",
    "warning",
    "DcmConverterOperator: the converter skips a DICOM file because of its name",
    "DICOM files need a second dot before .dcm in their names, as those of get-input have",
    loses_output=True,
)
MASK_OF_OTHER_VALUES: Final = Rule(
    "mask-of-other-values",
    "warning",
    "PyRadiomicsOperator: a mask has no voxel of value 1, so all its features are zero",
    "write masks of 0 and 1: masks of Mask2nifiti and DcmSeg2Itk contain the number of their segment",
)
SERIES_LEFT_OUT: Final = Rule(
    "series-left-out",
    "warning",
    "GetInputOperator: the dataset names a series that the project does not have",
    "remove it from the dataset, or add it to the project",
    loses_output=True,
)
BLANK_IN_MODALITIES: Final = Rule(
    "blank-in-modalities",
    "warning",
    "GetInputOperator: the list of modalities has blanks, which become part of the names",
    "separate the modalities by commas without blanks: CT,MR",
)
NO_EFFECT: Final = Rule("no-effect", "warning", "a parameter of a built-in operator has no effect", "leave it out")
DIFFERS_ON_PLATFORM: Final = Rule(
    "differs-on-platform",
    "warning",
    "a built-in operator behaves unexpectedly on the release",
    "do not rely on it",
)
FAILS_ON_PLATFORM: Final = Rule(
    "fails-on-platform",
    "warning",
    "a built-in operator worked here but is likely to fail on the release",
    "test it on the platform before you ship it",
)
