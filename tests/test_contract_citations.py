"""Citations of the fact sheets, such as "(runtime 6.2)", name a section that exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHEETS = ROOT / "docs/contract"
_ROW = re.compile(r"^\| `(?P<short>[\w-]+)` \| \[(?P<file>[\w-]+\.md)\]\((?P=file)\) \|", re.MULTILINE)
_SECTION = re.compile(r"^#{2,5} (?P<number>\d+(?:\.\d+)*)\.? ", re.MULTILINE)
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_TEXTS = {".cfg", ".ini", ".j2", ".json", ".md", ".py", ".sh", ".toml", ".tpl", ".txt", ".yaml", ".yml"}
_FOLDERS = ("harness", "tests", "scenarios", "docs", "benchmarks")


def _sheets() -> dict[str, Path]:
    """Return the sheets by the names that citations use: short name, and file name without its ending."""
    names = {}
    for row in _ROW.finditer((SHEETS / "README.md").read_text("utf-8")):
        names[row["short"]] = names[row["file"].removesuffix(".md")] = SHEETS / row["file"]
    return names


def _sections(sheet: Path) -> set[str]:
    return {heading["number"] for heading in _SECTION.finditer(sheet.read_text("utf-8"))}


def _citations(text: str, names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, section) of each citation; "(build 2, 7 and 10.2)" are three, a range counts by its ends."""
    either = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    number = _NUMBER.pattern
    citation = re.compile(
        rf"(?<![\w./-])`?(?P<name>{either})(?:\.md)?s?`? "
        rf"(?P<numbers>{number}(?:(?:, | and | to | or ){number})*)(?![\w:%]|\.\d)"
    )
    joined = re.sub(r"\s*\n\s*(?:#+ |//+ |\* )?\s*", " ", text)  # a citation may run over the end of a line
    for found in citation.finditer(joined):
        for section in _NUMBER.findall(found["numbers"]):
            yield found["name"], section


def _texts() -> Iterator[Path]:
    own = Path(__file__)
    for folder in _FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            known = path.suffix in _TEXTS or path.name.startswith("Dockerfile")
            if known and path.is_file() and path != own and path.parent != SHEETS:
                yield path
    yield from sorted(ROOT.glob("*.md"))


def test_every_sheet_stands_in_the_table_of_the_contract() -> None:
    assert sorted(set(_sheets().values())) == sorted(set(SHEETS.glob("*.md")) - {SHEETS / "README.md"})


def test_every_citation_names_a_section_of_a_sheet() -> None:
    sheets = _sheets()
    sections = {name: _sections(path) for name, path in sheets.items()}
    counted, wrong = 0, []
    for path in _texts():
        for name, section in _citations(path.read_text("utf-8", "replace"), list(sheets)):
            counted += 1
            if section not in sections[name]:
                wrong.append(f"{path.relative_to(ROOT)}: {name} {section}")
    assert wrong == []
    assert counted > 500


@pytest.mark.parametrize("sheet", sorted(set(_sheets().values())), ids=lambda path: path.stem)
def test_every_reference_between_sheets_names_a_section(sheet: Path) -> None:
    files = {path.name: _sections(path) for path in SHEETS.glob("*.md")}
    files["section"] = files[sheet.name]  # "(section 17)" is of the same sheet
    named = _citations(sheet.read_text("utf-8"), list(files))
    assert [(name, section) for name, section in named if section not in files[name]] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("as kube-helm does (build 10.3).", [("build", "10.3")]),
        ("(build 2, 7, 10.2 and 19)", [("build", "2"), ("build", "7"), ("build", "10.2"), ("build", "19")]),
        ("(build 16, runtime 6.2)", [("build", "16"), ("runtime", "6.2")]),
        ("# see (runtime\n    # 6.2, column K)", [("runtime", "6.2")]),
        ("rules: `runtime.md` 11.4.", [("runtime", "11.4")]),
        ("build 3 of the image, rebuild 4, /runtime 5, runtime 5s", [("build", "3")]),
    ],
)
def test_a_citation_is_found_however_it_is_written(text: str, found: list[tuple[str, str]]) -> None:
    assert list(_citations(text, ["build", "runtime"])) == found
