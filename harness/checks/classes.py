"""SOP classes of the objects that tests assert on, beside those of :mod:`harness.wire.dicom`."""

from __future__ import annotations

from typing import Final

RT_STRUCTURE_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.481.3"
PARAMETRIC_MAP_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.30"
