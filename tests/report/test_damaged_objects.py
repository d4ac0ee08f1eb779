"""Objects with wrong bytes: the page is written, and none of their content is active in it."""

from __future__ import annotations

import logging
import random
import time
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from harness import report
from harness.data import Series
from tests.checks.made_series import write_segmentation
from tests.report.made_runs import SEG, make_run

_ROUNDS = 60
_SECONDS = 60.0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(3))
def test_a_segmentation_with_any_wrong_bytes_leaves_a_page(
    tmp_path: Path, series: Series, masks: dict[str, Any], seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    rng = random.Random(seed)
    whole = write_segmentation(tmp_path / "seg.dcm", series, masks).read_bytes()
    damaged = tmp_path / "damaged.dcm"
    for number in range(_ROUNDS):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 3, 30))):
            content[rng.randrange(132, len(content))] = rng.randrange(256)
        if rng.random() < 0.2:
            del content[rng.randrange(200, len(content)) :]
        damaged.write_bytes(content)
        run = make_run(tmp_path / str(number), sent=[(SEG, damaged)], sources=[series])
        clock = time.monotonic()
        page = html.document_fromstring(report.write(run).path.read_text())
        assert time.monotonic() - clock < _SECONDS
        assert page.xpath("count(//section[@id='sent']/article)") == 1
        assert page.xpath("//section[@id='sent']//img | //section[@id='sent']//p[@class='note']")
