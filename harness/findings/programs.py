"""Rules about built-in operators; their programs report by them in the log, which :mod:`harness.run.notices` reads."""

from __future__ import annotations

from typing import Final

from harness.findings.rule import Rule

AE_TITLE_CUT: Final = Rule(
    "ae-title-cut",
    "warning",
    "DcmSendOperator: a calling or called AE title is longer than DICOM allows, and is cut",
    "names of projects and datasets that are sent to need to be 13 characters or shorter",
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
    "MinioOperator: whitelisted_file_extensions is a text, of which each character counts as an extension",
    "give a list: whitelisted_file_extensions=['.json']",
)
WHITELIST_ONLY_ZIP: Final = Rule(
    "whitelist-only-zip",
    "warning",
    "MinioOperator: the whitelist of a zipped upload has only .zip, which no file has before it is zipped",
    "zipping is done by the operator: name the extensions of the files, not .zip",
)
WHITELIST_WITHOUT_DOT: Final = Rule(
    "whitelist-without-dot",
    "warning",
    "MinioOperator: an extension in the whitelist has no dot, so that it fits no file",
    "write the dot: '.json'",
)
CUSTOM_SEGMENT_CODE: Final = Rule(
    "custom-segment-code",
    "warning",
    "Itk2DcmSegOperator: a label is not in the code table, and its segment gets the custom code",
    "a label with the name of a term in the standard gets the term's code",
)
OLD_METADATA_USED: Final = Rule(
    "old-metadata-used",
    "warning",
    "Itk2DcmSegOperator: a .json beside a mask is taken as the metadata of its segments",
    "the operator that writes the masks must not leave a .json of the same name beside them",
)
MASK_BESIDE_SOURCE: Final = Rule(
    "mask-beside-source",
    "warning",
    "Itk2DcmSegOperator: the mask does not lie on the voxels of its source series",
    "the mask needs origin, spacing and direction of the image it was made from",
)
MASK_FRACTIONAL: Final = Rule(
    "mask-fractional",
    "warning",
    "Itk2DcmSegOperator: a mask has values that are not whole numbers, such as probabilities, and they are cut",
    "threshold it, and write whole numbers: 0, and the value of the label",
)
LABEL_WITHOUT_VOXELS: Final = Rule(
    "label-without-voxels",
    "info",
    "Itk2DcmSegOperator: a label of seg_info has no voxel in the mask, and there is no segment of it",
    "nothing, where that organ is not in the image; otherwise compare label_int with the values of the mask",
)
SEGMENTS_RENUMBERED: Final = Rule(
    "segments-renumbered",
    "info",
    "Itk2DcmSegOperator: the values of a mask have gaps, and segments are numbered without: masks that are made of the "
    "SEG have other values",
    "find a segment by its label and not by its number, or give labels the values 1, 2, 3, ...",
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
    "DcmConverterOperator: an element of the batch has several series, and becomes several volumes",
    "an element should be one series: programs after it find more than one file",
)
NAME_WITHOUT_DOT: Final = Rule(
    "name-without-dot",
    "warning",
    "DcmConverterOperator: a DICOM file has a name that the converter passes over",
    "DICOM files need a dot before .dcm in their name, as those of get-input have",
    loses_output=True,
)
MASK_OF_OTHER_VALUES: Final = Rule(
    "mask-of-other-values",
    "warning",
    "PyRadiomicsOperator: a mask has no voxel of value 1, and so only zeros as its features",
    "write masks of 0 and 1: those of Mask2nifiti and DcmSeg2Itk have the number of their segment",
)
SERIES_LEFT_OUT: Final = Rule(
    "series-left-out",
    "warning",
    "GetInputOperator: the dataset names a series that the project does not have",
    "take it out of the dataset, or add it to the project",
    loses_output=True,
)
BLANK_IN_MODALITIES: Final = Rule(
    "blank-in-modalities",
    "warning",
    "GetInputOperator: the list of modalities has blanks, which then belong to the names",
    "write the modalities with commas and without blanks: CT,MR",
)
NO_EFFECT: Final = Rule("no-effect", "warning", "a parameter of a built-in operator changes nothing", "leave it out")
DIFFERS_ON_PLATFORM: Final = Rule(
    "differs-on-platform",
    "warning",
    "a built-in operator does something else on the release than one expects",
    "do not rely on it",
)
FAILS_ON_PLATFORM: Final = Rule(
    "fails-on-platform",
    "warning",
    "a built-in operator worked here and is likely to fail on the release",
    "test it on the platform before it is shipped",
)
