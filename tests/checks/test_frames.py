"""What an object says about its frames is bounded: what cannot be is an error that names it, at once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_series import SHAPE, write_segmentation, write_series

from harness.checks import Segmentation
from harness.data import Series, read_input
from harness.errors import CheckError

WriteSeg = Callable[..., Path]


def _moved(distance: float) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        _put(dataset.PerFrameFunctionalGroupsSequence[-1], [0, 0, distance])

    return change


def _put(frame: Any, position: list[float]) -> None:
    # frames of one slice share their position
    frame.PlanePositionSequence = copy.deepcopy(frame.PlanePositionSequence)
    frame.PlanePositionSequence[0].ImagePositionPatient = position


def _measures(dataset: Any) -> Any:
    return dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]


def _pixel_spacing(*values: float) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        _measures(dataset).PixelSpacing = list(values)

    return change


def _orientation(*values: float) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = list(values)

    return change


def _size(dataset: Any) -> None:
    dataset.Rows = dataset.Columns = 65535


def _no_spacing(dataset: Any) -> None:
    del _measures(dataset).PixelSpacing


def _close(dataset: Any) -> None:
    frames = dataset.PerFrameFunctionalGroupsSequence
    first = [float(value) for value in frames[0].PlanePositionSequence[0].ImagePositionPatient]
    _put(frames[1], [first[0], first[1], first[2] + 0.002])
    _put(frames[-1], [first[0], first[1], first[2] + 400])


def _tilted(dataset: Any) -> None:
    shared = dataset.SharedFunctionalGroupsSequence[0]
    tilted = copy.deepcopy(shared.PlaneOrientationSequence)
    tilted[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PerFrameFunctionalGroupsSequence[-1].PlaneOrientationSequence = tilted


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(_moved(1e9), r"a frame of seg.dcm is at \(0, 0, 1e\+09\) mm", id="a thousand kilometres away"),
        pytest.param(_moved(9e6), r"mm apart in steps of 3 mm: 29\d{5} slices", id="nine kilometres away"),
        pytest.param(_close, r"in steps of 0\.002 mm: \d{6} slices", id="steps that are tiny"),
        pytest.param(_pixel_spacing(0, 1), r"have pixels of \(0, 1\) mm", id="no spacing"),
        pytest.param(_pixel_spacing(-1, 1), r"have pixels of \(-1, 1\) mm", id="negative spacing"),
        pytest.param(_pixel_spacing(1), "does not say where its frames lie", id="one number of spacing"),
        pytest.param(_no_spacing, "does not say where its frames lie", id="spacing left out"),
        pytest.param(_orientation(0, 0, 0, 0, 0, 0), "which is not a plane", id="no orientation"),
        pytest.param(_orientation(1, 0, 0, 1, 0, 0), "which is not a plane", id="parallel axes"),
        pytest.param(_orientation(1e9, 0, 0, 0, 1e9, 0), "which is not a plane", id="huge axes"),
        pytest.param(_size, "have 65535 x 65535 pixels", id="huge frames"),
        pytest.param(_tilted, "not parallel planes of one spacing", id="frames at an angle"),
    ],
)
def test_frames_that_cannot_be_are_named(
    series: Series, masks: Any, write_seg: WriteSeg, change: Callable[[Any], None], words: str
) -> None:
    path = write_seg(series, masks, change=change)
    for sources in ([], [series]):
        segmentation = Segmentation(path, sources=sources)
        for question in (lambda seg: seg.own_geometry, lambda seg: seg.own_planes, lambda seg: seg.voxels("Liver")):
            with pytest.raises(CheckError, match=words):
                question(segmentation)
        assert sources == [] or segmentation.beside_source


def test_frames_beyond_the_pixels_are_named(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    def change(dataset: Any) -> None:
        dataset.PixelData = dataset.PixelData[:4]

    with pytest.raises(CheckError, match=r"seg\.dcm: the pixels cannot be read"):
        Segmentation(write_seg(series, masks, change=change)).voxels("Liver")


def test_each_frame_of_many_finds_its_slice(tmp_path: Path) -> None:
    places = [3.0 * index for index in range(300)]
    series = read_input(write_series(tmp_path / "many", uid="1.2.3.8", places=places))[0]
    mask = np.zeros((len(places), *SHAPE[1:]), bool)
    mask[:, 2:4, 3] = True
    seg = Segmentation(write_segmentation(tmp_path / "seg.dcm", series, {"Liver": mask}), sources=[series])
    assert np.array_equal(seg.mask("Liver"), mask)
    assert seg.lies_on(series)
