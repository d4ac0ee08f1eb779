"""The fidelity pages say of the table what is in it, and nothing that no test shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import profiles
from tests.differential.entries import all_entries
from tests.differential.fidelity import PAGES, written

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_has_the_differences_of_the_table(page: Path) -> None:
    assert page.read_text("utf-8") == written(page), "run: python -m tests.differential.fidelity"


def test_every_difference_is_on_a_page_that_exists_and_has_a_test() -> None:
    pages = {page.stem for page in PAGES.glob("*.md")}
    for entry in all_entries():
        if entry.difference is not None:
            assert entry.difference.page in pages, entry.id
            assert entry.here or entry.kind == "shown_by", f"{entry.id}: what happens here is asked by no test"
        else:
            assert not entry.here, f"{entry.id}: the difference is on no page"


def test_the_behaviour_by_profile_has_a_line_for_every_key_and_a_test_for_every_line() -> None:
    text = (ROOT / "docs/fidelity.md").read_text("utf-8")
    table = text.split("## Behaviour by profile")[1].split("\n## ")[0]
    last_cells = [line.rstrip("| ").rpartition("|")[2] for line in table.splitlines() if line.startswith("|")]
    named = {key for cell in last_cells for key in re.findall(r"`(\w+\.\w+)`", cell)}
    keys = {f"{group}.{key}" for group, keys in profiles.SCHEMA.items() for key in keys}
    assert named == keys
    tests = "\n".join(path.read_text("utf-8") for path in _tests())
    untested = [key for key in sorted(keys) if key.split(".")[1] not in tests and key.replace(".", "_") not in tests]
    assert untested == []


def _tests() -> list[Path]:
    return [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
