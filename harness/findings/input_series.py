"""Rules about the geometry of the input; the ids are the values of :class:`harness.geometry.ProblemKind`."""

from __future__ import annotations

from typing import Final

from harness.findings.rule import Rule

_ONE_VOLUME: Final = (
    "the platform's tools make several volumes of it, or a wrong one: put each kind into its own series"
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
    "a volume with one spacing cannot hold it: resample it, or work on the slices",
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
    "MITK interpolates such a volume in its own way: masks are on another grid than the slices",
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
    "tools count the slices and assume 1 mm: distances and volumes are meaningless",
)
COLOUR_IMAGES: Final = Rule(
    "colour-images", "warning", "the input has colour images", "most algorithms expect one value for each voxel"
)
INVERTED_GREY: Final = Rule(
    "inverted-grey",
    "warning",
    "high values of the input are dark (MONOCHROME1)",
    "tools do not invert the values: an algorithm that expects bright high values has to",
)
