"""Rules about the geometry of the input; the ids are the values of :class:`harness.geometry.ProblemKind`."""

from __future__ import annotations

from typing import Final

from harness.findings.rule import Rule

_ONE_VOLUME: Final = (
    "put each kind into its own series: the platform's tools make several volumes of this one, or a wrong one"
)

SLICE_MISSING: Final = Rule(
    "slice-missing",
    "warning",
    "slices of the input are missing: the distance between two of them is a multiple of the others",
    "export the series again with all of its slices",
)
UNEVEN_SPACING: Final = Rule(
    "uneven-spacing",
    "warning",
    "the slices of the input are not equally far apart",
    "resample it, or work on the slices: a volume with one spacing cannot hold it",
)
SAME_POSITION_TWICE: Final = Rule(
    "same-position-twice",
    "warning",
    "several images of the input are at the same position",
    "write one series for each point in time: the platform's tools make one volume of each series",
)
IMAGES_OF_SEVERAL_SIZES: Final = Rule(
    "images-of-several-sizes", "warning", "the images of one input series differ in rows or columns", _ONE_VOLUME
)
SEVERAL_ORIENTATIONS: Final = Rule(
    "several-orientations", "warning", "the images of one input series are not parallel", _ONE_VOLUME
)
SEVERAL_PIXEL_SPACINGS: Final = Rule(
    "several-pixel-spacings", "warning", "the images of one input series differ in pixel spacing", _ONE_VOLUME
)
SEVERAL_KINDS_OF_IMAGES: Final = Rule(
    "several-kinds-of-images", "warning", "one input series mixes kinds of images, such as a localizer", _ONE_VOLUME
)
GANTRY_TILT: Final = Rule(
    "gantry-tilt",
    "warning",
    "the slices of the input are shifted against one another: the volume is sheared",
    "resample it before it is sent: MITK interpolates it in its own way, and masks are on another grid than the slices",
)
MULTI_FRAME_IMAGE: Final = Rule(
    "multi-frame-image",
    "warning",
    "an image of the input has several frames",
    "use one image per file: dcmqi refuses several frames, and MITK was not tried with them",
)
NO_POSITION: Final = Rule(
    "no-position",
    "warning",
    "images of the input have no position",
    "export it with Image Position (Patient): tools assume slices of 1 mm, so distances and volumes are wrong",
)
COLOUR_IMAGES: Final = Rule(
    "colour-images",
    "warning",
    "the input has colour images",
    "convert them: most algorithms expect one value a voxel",
)
INVERTED_GREY: Final = Rule(
    "inverted-grey",
    "warning",
    "high values of the input are dark (MONOCHROME1)",
    "invert the values in the algorithm if it expects high values to be bright: tools do not",
)
