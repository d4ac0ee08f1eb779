"""Links, paths and names in the documents exist."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SHEETS = ROOT / "docs/contract"
_PATH = re.compile(r"`((?:harness|tests|scenarios|docs|benchmarks)/[\w/.-]+)`")
_CODE = re.compile(r"`[^`\n]*`")  # a pattern in it may look like a link
_LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]*))?\)")


# the fact sheets name paths of the platform's repository in the same way
@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.parent != SHEETS], ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    named = set(_PATH.findall(document.read_text("utf-8")))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_to_a_file_and_a_heading(document: Path) -> None:
    broken = []
    for target, heading in _LINK.findall(_CODE.sub("", document.read_text("utf-8"))):
        path = document.parent / target if target else document
        if not path.exists() or (heading and heading not in _headings(path)):
            broken.append(f"{target}#{heading}")
    assert broken == []


@pytest.mark.parametrize(
    "document", [ROOT / "docs/fidelity.md", *sorted(ROOT.glob("docs/fidelity/*.md"))], ids=lambda path: path.stem
)
def test_no_cell_of_the_fidelity_tables_is_longer_than_two_lines(document: Path) -> None:
    rows = [line for line in document.read_text("utf-8").splitlines() if line.startswith("|")]
    assert rows
    assert [cell for row in rows for cell in row.split("|") if len(cell) > 200] == []


def test_the_licence_is_the_standard_text_that_the_package_names() -> None:
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # apache.org's LICENSE-2.0.txt
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])


def _headings(path: Path) -> set[str]:
    """The anchors of a document, as its viewers make them of headings."""
    titles = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
