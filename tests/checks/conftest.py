"""A series, and segmentations of it made by highdicom."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_series import asymmetric_masks, write_segmentation, write_series

from harness.data import Series, read_input


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return read_input(write_series(tmp_path / "series", uid="1.2.3.4"))[0]


@pytest.fixture
def masks() -> dict[str, Any]:
    return asymmetric_masks()


@pytest.fixture
def write_seg(tmp_path: Path) -> Callable[..., Path]:
    """Writes a segmentation of a series: see :func:`made_series.write_segmentation`."""
    return functools.partial(write_segmentation, tmp_path / "seg.dcm")
