"""Where the links of a report lead, and where what it loads comes from."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from harness.checks.html_tables import read_text


class Place(enum.Enum):
    """Where an address leads, seen from a page on the platform."""

    PAGE = "the page"
    PLATFORM = "the platform"
    ELSEWHERE = "elsewhere"
    SCRIPT = "a script"


@dataclasses.dataclass(frozen=True)
class Link:
    """An address in a report.

    Args:
        target: as it is written there.
        text: words of the link; empty for what the page loads by itself.
        element: name of the element that it stands in.
        loads: the page asks for it by itself, as for a picture or a style sheet.
        place: where it leads.
    """

    target: str
    text: str
    element: str
    loads: bool
    place: Place

    @property
    def leaves_platform(self) -> bool:
        """Whether it leads to another host, or to another program such as one for mail."""
        return self.place is Place.ELSEWHERE

    def __str__(self) -> str:
        shown = self.target if len(self.target) <= 120 else f"{self.target[:120]}..."
        return f"<{self.element}> {shown!r}" + (f" ({self.text[:60]!r})" if self.text else "")


# an address that nothing has to be followed for
_LOADING: Final = frozenset(
    {"img", "script", "iframe", "frame", "embed", "object", "source", "track", "video", "audio", "input", "image"}
    | {"use", "body", "link", "table", "td", "th", "style", "feimage"}
)
_ADDRESSES: Final = ("href", "src", "data", "poster", "background", "action", "formaction", "ping")
_STYLE_ADDRESS: Final = re.compile(r"""url\(\s*(["']?)([^"')]*)\1\s*\)|@import\s+["']([^"']*)["']""", re.IGNORECASE)
_REFRESH: Final = re.compile(r"^[\s\d.]*[;,]\s*(?:url\s*=\s*)?[\"']?([^\"']*)", re.IGNORECASE)
_IGNORED: Final = dict.fromkeys(map(ord, "\t\n\r"))
_BLANKS: Final = "".join(map(chr, range(33)))
_OWN: Final = frozenset({"data", "blob", "about"})
# a host that does not exist: what stays on it is on the platform
_BASE: Final = "https://platform.invalid/static-website-browser/report.html"


def read_links(root: Any) -> list[Link]:
    """Return the addresses of a document in its order: what a reader may follow, and what the page loads.

    Args:
        root: element of lxml.
    """
    base = next((str(element.get("href")) for element in root.iter("base") if element.get("href")), "")
    base = _join(_BASE, base)
    found = []
    for element in root.iter():
        if not isinstance(element.tag, str) or element.tag == "base":
            continue
        name = element.tag.rpartition("}")[2].lower()
        for attribute, target in _addresses(element, name):
            loads = (name in _LOADING or attribute == "style") and attribute not in {"formaction", "ping"}
            text = "" if loads else read_text(element)
            found.append(Link(target, text, name, loads, _place(target, base)))
    return found


def _addresses(element: Any, name: str) -> Iterator[tuple[str, str]]:
    for key, value in element.attrib.items():
        attribute = str(key).rpartition("}")[2].rpartition(":")[2].lower()
        text = str(value)
        if attribute == "srcset":
            yield from ((attribute, part.split()[0]) for part in text.split(",") if part.split())
        elif attribute == "style":
            yield from ((attribute, address) for address in _find_in_style(text))
        elif attribute in _ADDRESSES:
            yield attribute, text
    if name == "style":
        yield from (("style", address) for address in _find_in_style(element.text or ""))
    if name == "meta" and str(element.get("http-equiv", "")).lower() == "refresh":
        match = _REFRESH.match(str(element.get("content", "")))
        if match and match.group(1).strip():
            yield "content", match.group(1)


def _find_in_style(text: str) -> Iterator[str]:
    return (match.group(2) or match.group(3) or "" for match in _STYLE_ADDRESS.finditer(text))


def _join(base: str, target: str) -> str:
    # a browser takes them out, and a backslash for a slash
    plain = target.strip(_BLANKS).translate(_IGNORED)
    scheme = plain.partition(":")[0]
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        plain = plain.replace("\\", "/")
    try:
        return urljoin(base, plain)
    except ValueError:
        return f"unreadable:{plain}"


def _place(target: str, base: str) -> Place:
    plain = target.strip(_BLANKS).translate(_IGNORED)
    if not plain or (plain.startswith("#") and base == _BASE):
        return Place.PAGE
    whole = _join(base, target)
    try:
        parts = urlsplit(whole)
        host = parts.hostname
    except ValueError:
        return Place.ELSEWHERE
    if parts.scheme in {"javascript", "vbscript"}:
        return Place.SCRIPT
    if parts.scheme in _OWN:
        return Place.PAGE
    own = urlsplit(_BASE)
    return Place.PLATFORM if (parts.scheme, host) == (own.scheme, own.hostname) else Place.ELSEWHERE
