"""SOP classes of DICOM objects that the harness and the programs in the images look for."""

from __future__ import annotations

from typing import Final

SEGMENTATION_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.66.7"
"""Label Map Segmentation Storage: the value of a pixel is the number of its segment."""
SEGMENTATION_CLASSES: Final = frozenset({SEGMENTATION_STORAGE, LABEL_MAP_STORAGE})
