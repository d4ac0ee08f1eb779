"""The site has a place for every document, and links that lead out of ``docs`` have one there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
import root_documents

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
_TREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _children(page: str) -> list[str]:
    """Return the pages that the trees of a page name."""
    text = root_documents.page_text(page, (DOCS / page).read_text("utf-8"))
    folder, found = (DOCS / page).parent, []
    for tree in _TREE.findall(text):
        for line in (line for line in tree.splitlines() if line and not line.startswith(":")):
            named = sorted(folder.glob(f"{line}.md"))
            assert named, f"{page} names {line}, which does not exist"
            found += [path.relative_to(DOCS).as_posix() for path in named if path != DOCS / page]
    return found


def test_every_document_has_one_place_in_the_tree() -> None:
    places = Counter(child for page in PAGES for child in _children(page))
    assert {page: places[page] for page in PAGES if places[page] != 1} == {"index.md": 0}


@pytest.mark.parametrize("folder", ["decisions", "howto"])
def test_the_overview_of_a_folder_names_all_of_its_pages(folder: str) -> None:
    named = re.findall(r"\((\w\S*\.md)\)", (DOCS / folder / "README.md").read_text("utf-8"))
    assert sorted(named) == sorted(path.name for path in (DOCS / folder).glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize(
    ("folder", "page", "link", "wanted"),
    [
        ("", "index.md", "docs/engines.md#x", "engines.md#x"),
        ("", "index.md", "docs/images/report.jpg", "images/report.jpg"),
        ("", "index.md", "docs/decisions/", "decisions/README.md"),
        ("", "contributing.md", "README.md#requirements", "index.md#requirements"),
        ("docs", "security.md", "../CONTRIBUTING.md#x", "contributing.md#x"),
        ("docs/reference", "reference/api.md", "../../README.md", "../index.md"),
        ("docs/reference", "reference/api.md", "../engines.md", "../engines.md"),
        ("docs", "engines.md", "#here", "#here"),
        ("docs", "engines.md", "https://kaapana.ai/x", "https://kaapana.ai/x"),
    ],
)
def test_a_link_leads_where_the_site_has_its_target(folder: str, page: str, link: str, wanted: str) -> None:
    assert root_documents.rebase(f"see [it]({link}).", PurePosixPath(folder), page) == f"see [it]({wanted})."


def test_text_that_looks_like_a_link_in_code_stays_as_it_is() -> None:
    text = "`x[0](docs/a.md)`\n\n```\ny[0](docs/a.md)\n```\n"
    assert root_documents.rebase(text, PurePosixPath(), "index.md") == text
