"""The reference is complete: it is made from the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import reference_pages

import harness
from harness import plugin, profiles
from harness.run import evidence

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", reference_pages.PAGES)
def test_each_page_that_is_completed_has_an_introduction(page: str) -> None:
    assert (DOCS / f"{page}.md").read_text("utf-8").startswith("# ")


def test_the_api_has_each_public_name_once() -> None:
    assert sorted(re.findall(r"auto\w+:: harness\.(\w+)", reference_pages.api())) == sorted(harness.__all__)


def test_the_fixtures_are_those_of_the_plugin_with_their_types() -> None:
    page = reference_pages.fixtures()
    assert set(re.findall(r"^## (\w+)$", page, re.MULTILINE)) == plugin._FIXTURES
    assert set(re.findall(r"`~harness\.(\w+)`", page)) <= set(harness.__all__)
    assert "masks of brain, grey and white matter" in page


def test_the_releases_have_a_row_for_each_key_and_a_column_for_each_profile() -> None:
    page = reference_pages.releases()
    for table, keys in profiles.SCHEMA.items():
        _, _, section = page.partition(f"## {table}\n")
        rows = [line.split(" | ") for line in section.partition("\n## ")[0].strip().splitlines()]
        assert [row[0].strip("| ") for row in rows[2:]] == [f"`{key}`" for key in keys]
        assert {len(row) for row in rows} == {1 + len(profiles.names())}


def test_run_json_is_an_example_that_can_be_read_and_a_row_for_each_key(tmp_path: Path) -> None:
    page = reference_pages.run_json()
    example = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert example is not None
    (tmp_path / "run.json").write_text(example[1], "utf-8")
    run = evidence.read(tmp_path)
    assert run.cause is not None
    assert run.tasks[0].log_path == "logs/otsus-method.log"
    document = json.loads(example[1])
    parts = [
        document,
        *(part[0] if isinstance(part, list) else part for part in map(document.get, reference_pages.PARTS)),
    ]
    rows = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert rows == [key for part in parts for key in part]
