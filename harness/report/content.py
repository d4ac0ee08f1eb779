"""The content of a structured report as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

_LONGEST: Final = 20_000
_DEEPEST: Final = 12


def list_content(dataset: Any) -> str:
    """Return the content of a structured report as indented lines."""
    lines: list[str] = []
    room = _LONGEST

    def walk(items: Iterable[Any], depth: int) -> None:
        nonlocal room
        for item in items:
            if room <= 0 or depth > _DEEPEST:
                return
            line = "  " * depth + _content_line(item)
            room -= len(line)
            lines.append(line)
            walk(item.get("ContentSequence", []), depth + 1)

    walk(dataset.get("ContentSequence", []), 0)
    return "\n".join([*lines, "..."] if room <= 0 else lines)


def _content_line(item: Any) -> str:
    def meaning(name: str, of: Any = item) -> str:
        codes = of.get(name)
        return str(codes[0].get("CodeMeaning", "")) if codes else ""

    measured = item.get("MeasuredValueSequence")
    value = ""
    if measured:
        value = f"{measured[0].get('NumericValue', '')} {meaning('MeasurementUnitsCodeSequence', measured[0])}".strip()
    for name in ("TextValue", "UID", "PersonName", "DateTime", "Date", "Time"):
        value = value or str(item.get(name, ""))
    value = value or meaning("ConceptCodeSequence")
    name = meaning("ConceptNameCodeSequence") or str(item.get("ValueType", ""))
    return f"{name}: {value}"[:1000] if value else name[:1000]
