"""What browsers show of an HTML document, and which documents they do not show at all."""

from __future__ import annotations

from typing import Any, Final

from harness.errors import CheckError

HIDDEN: Final = frozenset({"script", "style", "template", "noscript"})
"""Elements with text that a reader never sees."""

_DEEPEST: Final = 512


def check_depth(root: Any, name: str) -> None:
    """Refuse a document that no browser would lay out: what reads the words of elements would take forever.

    Raises:
        CheckError: its elements stand within one another too often.
    """
    from lxml import etree

    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > _DEEPEST:
            raise CheckError(f"{name} cannot be read as HTML: its elements are nested deeper than {_DEEPEST} levels")
