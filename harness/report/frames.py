"""HTML that a run stored, made safe for a frame of the page: words, styles and pictures, without active content."""

from __future__ import annotations

import re
from typing import Any, Final

LARGEST: Final = 3_000_000
"""Bytes of a document that a page can hold; a longer one is linked."""

# a frame has neither script nor network; policies do not stop every hint to connect, so hints are removed
_ACTIVE: Final = frozenset(
    {"script", "noscript", "template", "link", "meta", "base", "iframe", "frame", "frameset", "object", "embed"}
    | {"applet", "portal", "fencedframe", "param"}
)
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; media-src data:"
# what asks a server when it is followed, submitted or shown
_ADDRESSES: Final = frozenset(
    {"href", "src", "srcset", "action", "formaction", "ping", "poster", "background", "data", "cite", "longdesc"}
)

# the policy would refuse an address in a style; most are removed before
_STYLE_ADDRESS: Final = re.compile(r"url\(\s*['\"]?\s*(?!data:|#)[^)]*\)|@import\b[^;}]*;?", re.IGNORECASE)


def make_passive(data: bytes) -> str | None:
    """Return the markup for the ``srcdoc`` of a frame; ``None`` where the bytes are not HTML or too many."""
    from lxml import etree, html

    if len(data) > LARGEST:
        return None
    try:
        parser = html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
        root = html.document_fromstring(data, parser=parser)
        for element in list(root.iter()):
            if not isinstance(element.tag, str) or element.tag.rpartition("}")[2].lower() in _ACTIVE:
                _remove(element)
                continue
            for name in list(element.attrib):
                if not _is_passive(str(name), str(element.attrib[name])):
                    del element.attrib[name]
                elif name == "style":
                    element.attrib[name] = _STYLE_ADDRESS.sub("none", str(element.attrib[name]))
            if element.tag == "style":
                element.text = _STYLE_ADDRESS.sub("none", element.text or "")
        # first, so that it applies before the first picture
        policy = html.Element("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
        head = root.find("head")
        if head is None:
            root.insert(0, head := html.Element("head"))
        head.insert(0, policy)
        markup: str = html.tostring(root, encoding="unicode", doctype="<!DOCTYPE html>")
    except (etree.LxmlError, ValueError, RecursionError, AssertionError):
        return None
    return markup


def _remove(element: Any) -> None:
    parent = element.getparent()
    if parent is None:
        raise ValueError("the document itself is one of them")
    # what follows it is text of the document
    tail, before = element.tail or "", element.getprevious()
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    parent.remove(element)


def _is_passive(name: str, value: str) -> bool:
    plain = name.rpartition("}")[2].rpartition(":")[2].lower()
    if plain.startswith("on"):
        return False
    if plain in _ADDRESSES:
        # a link within the document leads somewhere; pictures come as data, as notebooks write them
        return value.startswith("#") or value[:11].lower() == "data:image/"
    return True
