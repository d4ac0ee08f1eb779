"""Read an HTML report for assertions: its words, its pictures, its title."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.checks import questions
from harness.checks.html_documents import HIDDEN, check_depth
from harness.checks.verdict import Verdict
from harness.errors import CheckError

if TYPE_CHECKING:
    from harness.checks.links import Link
    from harness.checks.pictures import Picture
    from harness.checks.tables import Table

LARGEST: Final = 64 << 20

# between these and what follows a reader sees a break
_BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote br dd div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hr li main "
        "nav ol option p pre section table td th title tr ul",
    )
)


class _Reader:
    """What lxml's parser calls; Python's own takes minutes for a megabyte of comments that never end."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.title: list[str] = []
        self.images = 0
        self._hidden: list[str] = []
        self._in_title = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in HIDDEN:
            self._hidden.append(tag)
        if tag == "img" and attributes.get("src"):
            self.images += 1
        if tag == "svg":
            self.images += 1
        if tag == "title":
            self._in_title = True
        if tag in _BLOCKS:
            self.parts.append("\n")

    def end(self, tag: str) -> None:
        if self._hidden and self._hidden[-1] == tag:
            self._hidden.pop()
        if tag == "title":
            self._in_title = False
        if tag in _BLOCKS:
            self.parts.append("\n")

    def data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._hidden:
            self.parts.append(data)

    def close(self) -> _Reader:
        return self


@dataclasses.dataclass(frozen=True)
class Report:
    """A document that a run stored.

    Args:
        name: object key or file name, for messages.
        data: the document as stored.
        file: where it is kept.
    """

    name: str
    data: bytes = dataclasses.field(repr=False)
    file: Path | None = dataclasses.field(default=None, repr=False, compare=False)

    @functools.cached_property
    def _read(self) -> _Reader:
        from lxml import etree

        parser = etree.HTMLParser(target=_Reader(), encoding="utf-8", huge_tree=True)
        try:
            parser.feed(self.html.encode("utf-8"))
            reader: _Reader = parser.close()
        except etree.LxmlError as error:
            raise CheckError(f"{self.name} cannot be read as HTML", last_seen=str(error)) from None
        return reader

    @functools.cached_property
    def _root(self) -> Any:
        from lxml import etree, html

        if len(self.data) > LARGEST:
            raise CheckError(f"{self.name} cannot be read: it is larger than {LARGEST >> 20} MiB")
        parser = html.HTMLParser(encoding="utf-8", huge_tree=True)
        try:
            root = html.document_fromstring(self.html.encode("utf-8"), parser=parser)
            check_depth(root, self.name)
            return root
        except (etree.LxmlError, ValueError) as error:
            raise CheckError(
                f"{self.name} cannot be read as HTML: {error}", evidence=str(self.file) if self.file else ""
            ) from None

    @property
    def html(self) -> str:
        """The markup; bytes that are not UTF-8 become replacement characters."""
        return self.data.decode("utf-8", errors="replace")

    @property
    def text(self) -> str:
        """The words a reader sees: blanks joined, one line for each block, no scripts and no styles."""
        lines = (re.sub(r"\s+", " ", line).strip() for line in "".join(self._read.parts).split("\n"))
        return "\n".join(line for line in lines if line)

    @property
    def title(self) -> str:
        """Content of the title element, empty without one."""
        return " ".join("".join(self._read.title).split())

    @property
    def images(self) -> int:
        """Number of pictures: ``img`` elements with a source, and ``svg`` elements."""
        return self._read.images

    @functools.cached_property
    def _tables(self) -> list[tuple[Table, str]]:
        from harness.checks.html_tables import read_tables

        return read_tables(self._root, self.name, self.file)

    @property
    def tables(self) -> list[Table]:
        """All tables, in the order of the document; one within another's cell comes after it."""
        return [table for table, _ in self._tables]

    def table(self, name: str) -> Table:
        """Return the one table with this caption, or below this heading; else the one that has such a column.

        Raises:
            CheckError: no table fits, or more than one does; all tables are listed.
        """
        from harness.checks.html_tables import find_table

        return find_table(self._tables, name, self.name, str(self.file) if self.file else "")

    @functools.cached_property
    def links(self) -> list[Link]:
        """All addresses in the document: what a reader may follow, and what the page loads by itself."""
        from harness.checks.links import read_links

        return read_links(self._root)

    @property
    def stays_on_platform(self) -> Verdict:
        """Whether nothing leads to another host: neither a link, nor a picture, style or script that the page loads."""
        problems = [f"{link} leads elsewhere" for link in self.links if link.leaves_platform]
        verdict = Verdict.of_problems(f"{self.name} stays on the platform", problems, good=f"{len(self.links)} links")
        return questions.note_verdict(self.file, "stays_on_platform", verdict)

    @functools.cached_property
    def pictures(self) -> list[Picture]:
        """The pictures: ``img`` elements with a source; :attr:`images` counts drawings (``svg``), too."""
        from harness.checks.pictures import read_pictures

        return read_pictures(self._root, self.name)

    @property
    def is_pdf(self) -> bool:
        """True when the stored bytes are a PDF document, whatever the name says."""
        return self.data[:5] == b"%PDF-"

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and text in self.text
