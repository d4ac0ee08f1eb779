"""Take documents of the repository's root into the site, and lead links to what has another place there."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Documents of the root, and the pages below ``docs`` that stand for them."""

_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)(?P<path>[^)#\s]*)(?=[)#])")
_TREE = re.compile(r"^```\{toctree\}$.*?^```$", re.MULTILINE | re.DOTALL)
# the overview of a folder leads to all of it
_FOLDER = "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def root_document(page: str) -> str | None:
    """Return the name of the root's document that a page stands for, ``None`` when it is a page of its own."""
    return next((name for name, target in PAGES.items() if target == page), None)


def page_text(page: str, own: str) -> str:
    """Return the Markdown of a page as the site has it.

    Args:
        page: its path below ``docs``.
        own: what its file says. Of a page that stands for a document of the root, only its trees of contents count.
    """
    name = root_document(page)
    if name is None:
        text = rebase(own, PurePosixPath("docs", page).parent, page)
        others = [path for path in (DOCS / page).parent.glob("*.md") if path.name != "README.md"]
        return text + _FOLDER if page.endswith("/README.md") and others else text
    text = rebase((ROOT / name).read_text("utf-8"), PurePosixPath(), page)
    return "\n\n".join([text, *_TREE.findall(own)])


def rebase(text: str, folder: PurePosixPath, page: str) -> str:
    """Return Markdown whose links lead where the site has their targets.

    Args:
        text: the Markdown.
        folder: what its links are relative to, seen from the repository's root.
        page: path of the page below ``docs``.
    """
    code = [match.span() for match in _CODE.finditer(text)]

    def replace(match: re.Match[str]) -> str:
        if any(start <= match.start() < end for start, end in code):
            return match.group()
        return _target(match["path"], folder, page)

    return _LINK.sub(replace, text)


def _target(link: str, folder: PurePosixPath, page: str) -> str:
    wanted = os.path.normpath(folder / link)
    if wanted in PAGES:
        found = DOCS / PAGES[wanted]
    elif (ROOT / wanted).is_dir():
        found = ROOT / wanted / "README.md"
    else:
        found = ROOT / wanted
    return Path(os.path.relpath(found, (DOCS / page).parent)).as_posix()


def _read(app: Any, docname: str, source: list[str]) -> None:
    page = f"{docname}.md"
    source[0] = page_text(page, source[0])
    if (name := root_document(page)) is not None:
        app.env.note_dependency(str(ROOT / name))


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
