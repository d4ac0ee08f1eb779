"""A comparison that fails in a test is one block there, and stands in the run's report with what else was asked."""

from __future__ import annotations

import json

import pytest
from lxml import html

from tests.inner_pytest import run, write

TEST = """
def test_volumes(kaapana):
    table = b"label,ml\\nliver,1512\\nspleen,210\\n"
    kaapana.environment.object_store.later["results/volumes.csv"] = (table, "text/csv")
    run = kaapana.install("ext").run()
    assert run.sent.none_of("SEG")
    volumes = run.objects["volumes.csv"].table()
    assert volumes.matches([{"label": "spleen", "ml": 250}, {"label": "liver", "ml": 1500}], key="label", rel=0.05)
"""


def test_a_comparison_that_does_not_hold_is_one_block_and_in_the_report(inner: pytest.Pytester) -> None:
    write(inner, TEST)
    result = run(inner)
    result.assert_outcomes(failed=1)
    cell = "row 2 (label 'spleen'), column 'ml': 210 instead of 250 (they differ by 40, allowed are 12.5)"
    result.stdout.fnmatch_lines(
        [
            f"results/volumes.csv: NO, 1 difference in 2 cells, the first is {cell}",
            "  at test_*.py:7: assert volumes.matches(*",
            "  report: *report.html",
        ],
        consecutive=True,
    )
    assert "array" not in result.stdout.str()
    (checks,) = (inner.path / "evidence").rglob("checks.json")
    (test,) = json.loads(checks.read_text())
    assert [(look["path"], look["question"], look["answer"][:4]) for look in test["looks"]] == [
        ("run.json", "none of SEG sent", "yes:"),
        ("objects/results/volumes.csv", "results/volumes.csv matches", "NO: "),
    ]
    page = html.document_fromstring(checks.with_name("report.html").read_text())
    section = page.xpath("//section[@id='test1']")[0]
    assert section.xpath(".//td/code/bdi/text()") == ["none of SEG sent", "results/volumes.csv matches"]
    assert cell in section.xpath("string(pre)")
