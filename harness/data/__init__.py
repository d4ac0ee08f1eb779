"""Sample series with ground truth, and the reader of an author's own DICOM folder.

* :func:`brain_mr`: an MR series of an average human brain (the MNI152 T1 template), with masks of brain,
  grey and white matter.
* :func:`small_ct`: five slices of a real cardiac CT.
* :func:`read_input`: every image series of a folder, or an ``InputDataError`` that names the broken files.

Importing this package loads neither pydicom nor numpy.
"""

from __future__ import annotations

from harness.data.brain import brain_mr
from harness.data.ct import small_ct
from harness.data.reading import read_input
from harness.data.series import Geometry, Instance, Series, Truth

__all__ = ["Geometry", "Instance", "Series", "Truth", "brain_mr", "read_input", "small_ct"]
