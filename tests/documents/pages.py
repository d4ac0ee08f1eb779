"""Read a page as its reader does: files to write, commands to type, and what they print.

A block of the language ``sh`` is commands, one of ``text`` behind it what they print, with ``...`` for what varies.
Any other block is a file when its paragraph names one. A comment before a block, which the reader does not see, says

* ``<!-- exit: 1 -->``: the exit status of the commands, where it is not 0;
* ``<!-- needs: kind -->``: what the commands need beside an engine, one of :data:`NEEDS`; who has less leaves them out.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parents[2] / "docs"
NEEDS: Final = frozenset({"kind", "cluster", "gpu", "no-gpu", "proxy", "terminal"})
_FENCE = "```"
_COMMENT = re.compile(r"<!-- ([\w ]+): (.*) -->")
_FILE = re.compile(r"`((?:[\w.-]+/)*(?:[\w-]+\.(?:py|yaml|yml|toml|ini|json)|(?:[\w-]+\.)?Dockerfile))`")


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of a page.

    Args:
        page: the page's path below ``docs``.
        line: of its first line.
        language: as the fence says it.
        text: its lines.
        paragraph: the text before it.
        notes: what the comments before it say.
    """

    page: str
    line: int
    language: str
    text: str
    paragraph: str
    notes: dict[str, str]

    @property
    def is_command(self) -> bool:
        """Whether it is typed into a shell."""
        return self.language == "sh"

    @property
    def is_output(self) -> bool:
        """Whether it is what the commands before it print."""
        return self.language == "text"

    @property
    def file(self) -> str | None:
        """The path of the file that it is the content of."""
        named = _FILE.findall(self.paragraph)
        return named[0] if len(named) == 1 and not (self.is_command or self.is_output) else None

    @property
    def needs(self) -> frozenset[str]:
        """What it needs beside an engine."""
        return frozenset(self.notes.get("needs", "").replace(",", " ").split())

    @property
    def status(self) -> int:
        """The exit status of its commands."""
        return int(self.notes.get("exit", "0"))

    def __str__(self) -> str:
        return f"docs/{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page, in their order.

    Args:
        page: its path below ``docs``.
    """
    found: list[Block] = []
    paragraph: list[str] = []
    notes: dict[str, str] = {}
    previous = ""
    lines = enumerate((DOCS / page).read_text("utf-8").splitlines(), start=1)
    for number, line in lines:
        if line.startswith(_FENCE):
            inside = itertools.takewhile(lambda numbered: numbered[1] != _FENCE, lines)
            text = "".join(f"{content}\n" for _, content in inside)
            found.append(Block(page, number + 1, line.removeprefix(_FENCE), text, " ".join(paragraph), notes))
            paragraph, notes = [], {}
        elif comment := _COMMENT.fullmatch(line):
            notes[comment[1]] = comment[2]
        elif line:
            # the paragraph right before the block, which an empty line ends
            paragraph = [*paragraph, line] if previous else [line]
        previous = line
    return found


def steps(page: Sequence[Block]) -> Iterator[tuple[Block, Block | None]]:
    """Yield files and commands, each with the output that the page shows of it."""
    for number, block in enumerate(page):
        if not block.is_output:
            following = page[number + 1] if number + 1 < len(page) else None
            yield block, following if following is not None and following.is_output else None


def is_printed(shown: str, printed: str) -> bool:
    """Return whether an output has the lines that a page shows, with ``...`` for anything in a line, or for lines."""
    parts = []
    for line in shown.rstrip("\n").split("\n"):
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(re.escape(part) for part in line.split("...")) + r"[ \t]*(?:\n|\Z)")
    return re.search("^" + "".join(parts), printed, re.MULTILINE) is not None
