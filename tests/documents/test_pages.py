"""Nothing in the tutorial stands there untested, and the tests read a page as its reader does."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.documents.pages import DOCS, NEEDS, Block, blocks, is_printed
from tests.documents.reader import Reader

PAGES = ["tutorial.md", *sorted(f"howto/{path.name}" for path in (DOCS / "howto").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_a_file_or_a_command_or_its_output(page: str) -> None:
    found = blocks(page)
    assert len(found) == (DOCS / page).read_text("utf-8").count("\n```") // 2
    unclear = [str(block) for block in found if not (block.is_command or block.is_output or block.file)]
    assert unclear == []
    assert {need for block in found for need in block.needs} <= NEEDS


@pytest.mark.parametrize(
    ("shown", "printed", "wanted"),
    [
        ("a\nb", "x\na\nb\ny\n", True),
        ("a\nb", "a\nx\nb\n", False),
        ("a\n...\nb", "a\nx\ny\nb\n", True),
        ("a ... c", "a b c", True),
        ("a ... c", "a b\nc", False),
        ("a", "xa", False),
        ("...a", "xa", True),
        ("1.5", "125", False),
    ],
)
def test_an_output_is_compared_line_by_line(shown: str, printed: str, wanted: bool) -> None:
    assert is_printed(shown, printed) is wanted


def test_a_reader_keeps_folder_and_variables_and_sees_a_failure(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {"path/to/x": "/etc"}, {"GIVEN": "yes"})
    assert reader.type("mkdir a && cd a\nexport KEPT='two words'\necho path/to/x") == (0, "/etc\n")
    assert reader.folder == tmp_path / "a"
    assert reader.type('echo "$KEPT" "$GIVEN" "$(basename "$PWD")"') == (0, "two words yes a\n")
    assert reader.type("echo before; false | cat; echo after") == (1, "before\n")


def test_a_reader_leaves_out_what_needs_more_than_there_is(tmp_path: Path) -> None:
    page = [Block("x.md", 1, "sh", f"echo {need}\n", "", {"needs": need}) for need in ("", "gpu", "gpu kind")]
    assert Reader(tmp_path, {}, {}).read(page) == page[:1]
    assert Reader(tmp_path, {}, {}, having={"gpu"}).read(page) == page[:2]


def test_a_reader_on_a_terminal_presses_enter_when_asked(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {}, {"CI": "true"})
    assert reader.type('[ -t 0 ] && [ -z "$CI" ] && read -p "Press Enter: " word && exit 3', terminal=True)[0] == 3


def test_a_page_that_is_not_true_fails_its_reader(tmp_path: Path) -> None:
    typed = Block("x.md", 3, "sh", "echo yes\n", "", {})
    shown = dataclasses.replace(typed, language="text", text="no\n", line=6)
    with pytest.raises(AssertionError, match=r"docs/x\.md:6: not what was printed:\nyes"):
        Reader(tmp_path, {}, {}).read([typed, shown])
    failing = dataclasses.replace(typed, notes={"exit": "1"})
    with pytest.raises(AssertionError, match=r"docs/x\.md:3: exit status 0"):
        Reader(tmp_path, {}, {}).read([failing])
