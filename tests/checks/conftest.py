"""A series, and segmentations of it made by highdicom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from made_series import SHAPE, write_series
from pydicom.sr.codedict import codes

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
    """Writes a segmentation of a series; ``change`` may damage the dataset before it is saved.

    The masks of a label map must not overlap.
    """

    def write(
        series: Series,
        masks: dict[str, Any],
        *,
        change: Callable[[Any], None] = lambda dataset: None,
        kind: hd.seg.SegmentationTypeValues = hd.seg.SegmentationTypeValues.BINARY,
    ) -> Path:
        images = [pydicom.dcmread(path) for path in series.files]
        algorithm = hd.AlgorithmIdentificationSequence("test", codes.DCM.ArtificialIntelligence, "1")
        segments = [
            hd.seg.SegmentDescription(
                number, label, codes.SCT.Organ, codes.SCT.Liver, hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC, algorithm
            )
            for number, label in enumerate(masks, 1)
        ]
        dataset = hd.seg.Segmentation(
            images,
            np.stack([mask.astype(np.uint8) for mask in masks.values()], axis=-1),
            kind,
            segments,
            "1.2.3.5",
            300,
            "1.2.3.5.1",
            1,
            "harness",
            "test",
            "1",
            "0",
        )
        change(dataset)
        path = tmp_path / "seg.dcm"
        dataset.save_as(path)
        return path

    return write
