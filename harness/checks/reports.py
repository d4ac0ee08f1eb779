"""Read an HTML report for assertions: its words, its pictures, its title."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping

from harness.errors import CheckError

# text of these elements is never shown to a reader
_HIDDEN = frozenset({"script", "style", "template", "noscript"})
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
        if tag in _HIDDEN:
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
    """

    name: str
    data: bytes = dataclasses.field(repr=False)

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
        """Content of the title element, empty when there is none."""
        return " ".join("".join(self._read.title).split())

    @property
    def images(self) -> int:
        """Number of pictures: ``img`` elements with a source, and ``svg`` elements."""
        return self._read.images

    @property
    def is_pdf(self) -> bool:
        """True when the stored bytes are a PDF document, whatever the name says."""
        return self.data[:5] == b"%PDF-"

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and text in self.text
