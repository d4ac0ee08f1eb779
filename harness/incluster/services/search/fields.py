"""The fields of a document of the metadata index, as queries see them.

Strings are mapped as the server does by default: the field itself is analysed text, ``<field>.keyword`` is the
exact value (services 11.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

_KEYWORD_LIMIT: Final = 256
# words of the standard analyser: letters, digits and _, joined by a dot between letters or between digits
_WORD = re.compile(r"\w+(?:(?:(?<=\d)[.,;](?=\d)|(?<=[^\W\d_])[.'\u2019](?=[^\W\d_]))\w+)*")


def analyse(text: str) -> list[str]:
    """Return the tokens of an analysed text field."""
    return [word.lower() for word in _WORD.findall(text)]


def values(source: Any, path: str) -> Iterator[Any]:
    """Yield the leaf values of a field; objects are entered at dots, lists are flattened."""
    if isinstance(source, list):
        for item in source:
            yield from values(item, path)
    elif not path:
        if not isinstance(source, dict) and source is not None:
            yield source
    elif isinstance(source, dict):
        if path in source:
            yield from values(source[path], "")
        head, dot, rest = path.partition(".")
        while dot:
            if head in source:
                yield from values(source[head], rest)
            more, dot, rest = rest.partition(".")
            head = f"{head}.{more}"


def field_values(source: dict[str, Any], field: str) -> tuple[list[Any], bool]:
    """Return the values of a field and whether it is analysed text."""
    if field.endswith(".keyword"):
        exact = [item for item in values(source, field[: -len(".keyword")]) if isinstance(item, str)]
        return [item for item in exact if len(item) <= _KEYWORD_LIMIT], False
    return list(values(source, field)), not re.search(r"_(date|time|datetime)$", field)


def leaves_below(source: Any, path: str) -> Iterator[Any]:
    """Yield the leaves of an object field."""
    node = source.get(path) if isinstance(source, dict) else None
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif item is not None:
            yield item
