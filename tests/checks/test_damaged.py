"""Objects of which any byte may be wrong: each question has an answer or ends in an error of the check, soon."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from made_series import SHAPE, asymmetric_masks, write_segmentation
from made_structures import runs_of, write_structures
from pydicom.sr.codedict import codes

from harness.checks import ParametricMap, Segmentation, StructureSet
from harness.data import Series
from harness.errors import CheckError

_ROUNDS = 40
_SECONDS = 60.0


def _segmentation(path: Path, series: Series) -> Path:
    return write_segmentation(path, series, asymmetric_masks())


def _label_map(path: Path, series: Series) -> Path:
    return write_segmentation(
        path, series, {"Liver": asymmetric_masks()["Liver"]}, kind=hd.seg.SegmentationTypeValues.LABELMAP
    )


def _structures(path: Path, series: Series) -> Path:
    return write_structures(path, series, {label: runs_of(mask) for label, mask in asymmetric_masks().items()})


def _map(path: Path, series: Series) -> Path:
    mapping = hd.pm.RealWorldValueMapping("ADC", "x", codes.UCUM.NoUnits, (0, 1000), slope=1.0, intercept=0.0)
    images = [pydicom.dcmread(file) for file in series.files]
    values = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.uint16)
    window = [hd.VOILUTTransformation(window_center=100, window_width=200)]
    hd.pm.ParametricMap(
        images, values, "1.2.5", 3, "1.2.5.1", 1, "a", "b", "c", "d", False, [mapping], voi_lut_transformations=window
    ).save_as(path)
    return path


def _regions(kind: type[Segmentation | StructureSet]) -> Callable[[Path, Series], list[Callable[[], Any]]]:
    def questions(path: Path, series: Series) -> list[Callable[[], Any]]:
        truth = asymmetric_masks()["Liver"]
        asked = kind(path, sources=[series])
        found: list[Callable[[], Any]] = [
            lambda: repr(asked),
            lambda: asked.references(series),
            lambda: asked.mask("Liver"),
            lambda: asked.volume_ml("Liver"),
            lambda: asked.dice("Liver", truth),
            lambda: asked.compare({"Liver": truth}, distances=False),
            lambda: kind(path).mask("Liver"),
        ]
        if isinstance(asked, Segmentation):
            found += [lambda: asked.labels, lambda: asked.is_valid, lambda: asked.lies_on(series)]
            found += [lambda: asked.empty_frames, lambda: asked.empty_segments, lambda: asked.beside_source]
        else:
            found += [lambda: asked.names, lambda: asked.contours("Liver")]
        return found

    return questions


def _values(path: Path, series: Series) -> list[Callable[[], Any]]:
    asked = ParametricMap(path, sources=[series])
    return [
        lambda: repr(asked),
        lambda: asked.units(),
        lambda: asked.statistics(),
        lambda: asked.matches(np.zeros(asked.values().shape)),
        lambda: asked.references(series),
        lambda: asked.lies_on(series),
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("write", "questions"),
    [
        pytest.param(_segmentation, _regions(Segmentation), id="SEG"),
        pytest.param(_label_map, _regions(Segmentation), id="label map"),
        pytest.param(_structures, _regions(StructureSet), id="RTSTRUCT"),
        pytest.param(_map, _values, id="parametric map"),
    ],
)
def test_wrong_bytes_are_answered_or_named(
    tmp_path: Path, series: Series, seed: int, write: Callable[..., Path], questions: Callable[..., Any]
) -> None:
    rng = random.Random(seed)
    whole = write(tmp_path / "whole.dcm", series).read_bytes()
    path = tmp_path / "damaged.dcm"
    for _ in range(_ROUNDS):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 3, 30))):
            content[rng.randrange(132, len(content))] = rng.randrange(256)
        if rng.random() < 0.1:
            del content[rng.randrange(200, len(content)) :]
        path.write_bytes(content)
        clock = time.monotonic()
        try:
            asked = questions(path, series)
        except CheckError:
            continue
        # what stands for an object in the text of a failure never fails itself
        asked.pop(0)()
        for question in asked:
            with contextlib.suppress(CheckError):
                question()
        assert time.monotonic() - clock < _SECONDS


def test_an_element_that_cannot_be_read_is_a_problem_of_the_segmentation(tmp_path: Path, series: Series) -> None:
    path = _segmentation(tmp_path / "seg.dcm", series)
    # the series number, in a value representation that does not exist
    whole = path.read_bytes()
    assert whole.count(b"\x20\x00\x11\x00IS\x04\x00300 ") == 1
    path.write_bytes(whole.replace(b"\x20\x00\x11\x00IS\x04\x00300 ", b"\x20\x00\x11\x00UZ\x04\x00300 "))
    damaged = Segmentation(path, sources=[series])
    assert damaged.is_valid.summary.startswith("element (0020,0011) cannot be read: ")
    assert np.array_equal(damaged.mask("Liver"), asymmetric_masks()["Liver"])
