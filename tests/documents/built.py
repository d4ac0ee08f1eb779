"""Check a site that was built: ``python -m tests.documents.built FOLDER``.

Every link inside of it leads to a file and an anchor, and no page, style sheet or script takes anything from another
host, so that the site can be read without a network.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import html

# what a link element names without the browser fetching it
_NOT_FETCHED = frozenset({"author", "bookmark", "canonical", "help", "index", "license", "next", "prev", "search"})
_FETCHED = ("src", "srcset", "poster", "data", "background", "action", "formaction", "manifest", "xlink:href")
_STYLE = re.compile(r"""(?:@import\s+(?:url\()?|url\()\s*["']?([^"')\s;]+)""")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# an address at the beginning of a text; namespaces of XML are names that no program fetches
_ADDRESS = re.compile(r"""["'`]((?:https?:|wss?:)?//(?!www\.w3\.org/)[\w\[][^"'`\s]*)""")


def problems(site: Path) -> list[str]:
    """Return what is wrong with a site, one text each.

    Args:
        site: its folder.
    """
    files = sorted(path for path in site.rglob("*") if path.is_file())
    if not any(path.name == "index.html" for path in files):
        return [f"{site} has no index.html"]
    found = []
    for path in files:
        name = path.relative_to(site).as_posix()
        if path.suffix == ".html":
            found += [f"{name}: {text}" for text in (*_foreign(path), *_broken(path, site.resolve()))]
        elif path.suffix == ".css":
            found += [f"{name}: fetches {url}" for url in _of_style(path.read_text("utf-8")) if _is_foreign(url)]
        elif path.suffix in {".js", ".mjs"}:
            found += [f"{name}: has the address {url}" for url in _ADDRESS.findall(path.read_text("utf-8"))]
    return found


def _is_foreign(url: str) -> bool:
    parts = urlsplit(url.strip())
    return bool(parts.netloc) or parts.scheme in {"http", "https", "ftp", "ws", "wss", "file"}


def _of_style(text: str) -> list[str]:
    return _STYLE.findall(_COMMENT.sub("", text))


def _foreign(page: Path) -> Iterator[str]:
    for element in _tree(page).iter(html.etree.Element):
        fetched = [(name, value) for name, value in element.items() if name in _FETCHED]
        if element.tag in {"link", "image", "use", "base"} and not _NOT_FETCHED.issuperset(_rel(element) or {""}):
            fetched.append(("href", element.get("href", "")))
        for name, value in fetched:
            urls = [part.split()[0] for part in value.split(",") if part.split()] if name == "srcset" else [value]
            yield from (f"<{element.tag} {name}> fetches {url}" for url in urls if _is_foreign(url))
        styles = [element.get("style", ""), (element.text or "") if element.tag == "style" else ""]
        yield from (f"a style fetches {url}" for text in styles for url in _of_style(text) if _is_foreign(url))
        if element.tag == "script":
            yield from (f"a script has the address {url}" for url in _ADDRESS.findall(element.text or ""))
        if element.tag == "meta" and element.get("http-equiv", "").lower() == "refresh":
            url = element.get("content", "").partition("=")[2]
            yield from (f"leads on to {target}" for target in [url] if _is_foreign(target))


def _rel(element: html.HtmlElement) -> set[str]:
    return set(element.get("rel", "").lower().split())


def _broken(page: Path, site: Path) -> Iterator[str]:
    for element in _tree(page).iter("a", "link", "img", "script", "iframe", "source", "area", "object"):
        for name in ("href", "src", "data"):
            url = element.get(name)
            parts = urlsplit(url or "")
            if not url or parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page.resolve()
            if parts.path.startswith("/") or not target.is_relative_to(site) or not target.is_file():
                yield f"{url} is not a file of the site"
            elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in _anchors(target):
                yield f"{url}: {target.name} has no such anchor"


@cache
def _tree(page: Path) -> html.HtmlElement:
    return html.document_fromstring(page.read_bytes())


@cache
def _anchors(page: Path) -> frozenset[str]:
    return frozenset(value for name in ("id", "name") for value in _tree(page).xpath(f"//@{name}"))


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]))
    print(*wrong, sep="\n", file=sys.stderr)
    raise SystemExit(1 if wrong else 0)
