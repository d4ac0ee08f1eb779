"""SOP classes of the objects that tests assert on, beside those of :mod:`harness.wire.dicom`."""

from __future__ import annotations

from typing import Final

RT_STRUCTURE_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.481.3"
PARAMETRIC_MAP_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.30"
SECONDARY_CAPTURE_CLASSES: Final = frozenset(
    {"1.2.840.10008.5.1.4.1.1.7", *(f"1.2.840.10008.5.1.4.1.1.7.{kind}" for kind in range(1, 5))}
)
"""Of one frame, and of several: single bits, bytes, words, colours."""
ENCAPSULATED_PDF_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.104.1"
_REPORTS: Final = (11, 22, 33, 34, 35, 50, 65, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77)
STRUCTURED_REPORT_CLASSES: Final = frozenset(f"1.2.840.10008.5.1.4.1.1.88.{kind}" for kind in _REPORTS)
"""Basic Text SR to Waveform Annotation SR; Key Object Selections are not among them."""
