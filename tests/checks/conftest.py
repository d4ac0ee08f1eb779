"""A series, and segmentations of it made by highdicom."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_series import SHAPE, write_segmentation, write_series

from harness.data import Series, read_input


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return read_input(write_series(tmp_path / "series", uid="1.2.3.4"))[0]


@pytest.fixture
def masks() -> dict[str, Any]:
    """Two labels without any symmetry, so that a flipped or transposed axis changes them."""
    liver = np.zeros(SHAPE, bool)
    liver[1:4, 2:8, 1:3] = True
    liver[3, 8, 6] = True
    tumour = np.zeros(SHAPE, bool)
    tumour[2, 3, 5] = True
    return {"Liver": liver, "Tumour": tumour}


@pytest.fixture
def write_seg(tmp_path: Path) -> Callable[..., Path]:
    """Writes a segmentation of a series: see :func:`made_series.write_segmentation`."""
    return functools.partial(write_segmentation, tmp_path / "seg.dcm")
