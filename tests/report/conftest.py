"""A small oblique series, two segments without any symmetry, and runs that sent them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.data import Series, read_input
from harness.run.results import Run
from tests.checks.made_series import asymmetric_masks, write_segmentation, write_series
from tests.report.made_runs import SEG, make_run


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return read_input(write_series(tmp_path / "series", uid="1.2.3.4"))[0]


@pytest.fixture
def masks() -> dict[str, Any]:
    return asymmetric_masks()


@pytest.fixture
def sending(tmp_path: Path, series: Series) -> Callable[..., Run]:
    """Makes a run that sent a segmentation of the series."""

    def send(masks: dict[str, Any], **how: Any) -> Run:
        path = write_segmentation(tmp_path / "seg.dcm", series, masks, **how)
        return make_run(tmp_path / "run", sent=[(SEG, path)], sources=[series])

    return send
