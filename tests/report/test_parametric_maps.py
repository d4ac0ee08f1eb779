"""A parametric map that was sent is a picture of the report."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from lxml import html
from pydicom.sr.codedict import codes

from harness import report
from harness.checks.classes import PARAMETRIC_MAP_STORAGE
from harness.data import Series
from harness.errors import CheckError
from tests.checks.made_series import SHAPE
from tests.report.made_runs import make_run


@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.float64])
def test_a_parametric_map_is_shown_and_asked_for(tmp_path: Path, series: Series, kind: type) -> None:
    values = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(kind)
    span = (0, 1000) if kind is np.uint16 else (-1e9, 1e9)
    mapping = hd.pm.RealWorldValueMapping("ADC", "x", codes.UCUM.NoUnits, span, slope=1.0, intercept=0.0)
    window = [hd.VOILUTTransformation(window_center=100, window_width=200)]
    images = [pydicom.dcmread(file) for file in series.files]
    dataset = hd.pm.ParametricMap(
        images, values, "1.2.5", 3, "1.2.5.1", 1, "a", "b", "c", "d", False, [mapping], voi_lut_transformations=window
    )
    dataset.save_as(tmp_path / "map.dcm")
    run = make_run(tmp_path / "run", sent=[(PARAMETRIC_MAP_STORAGE, tmp_path / "map.dcm")], sources=[series])
    assert run.sent.parametric_map().matches(values)
    with pytest.raises(CheckError, match="no RT structure set sent"):
        run.sent.structure_set()
    page = html.document_fromstring(report.write(run).path.read_text())
    assert page.xpath("count(//section[@id='sent']/article//img)") == 1
