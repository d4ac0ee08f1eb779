"""The generated part of the fidelity pages: ``python -m tests.differential.fidelity`` writes it.

A difference stands there only with a test: the answer here is asked for beside the platform's, or a test is named.
"""

from __future__ import annotations

from pathlib import Path

from tests.differential.entries import Entry, all_entries
from tests.differential.sheets import FILES

PAGES = Path(__file__).parents[2] / "docs/fidelity"
HEADING = "## By rows of the sheets"
_INTRODUCTION = (
    "Differences to release 0.6.0, generated from the table of tests (`tests/differential/table`). The entry that a\n"
    "line names tests it. Every other row of runtime 5 to 7, 10, 11 and operators 2 behaves as on the platform."
)


def block(page: str) -> str:
    """Return what a page says of the table, from its heading to its last line; empty where it has no difference."""
    entries = [entry for entry in all_entries() if entry.difference and entry.difference.page == page]
    if not entries:
        return ""
    lines = ["| row | on the platform | here | entry |", "|---|---|---|---|", *(_line(entry) for entry in entries)]
    return "\n".join([HEADING, "", _INTRODUCTION, "", *lines, ""])


def _line(entry: Entry) -> str:
    assert entry.difference is not None
    link = f"[{entry.section}](../contract/{FILES[entry.section.split()[0]]})"
    return f"| {link} | {entry.difference.says} | {entry.difference.here} | `{entry.id}` |"


def written(page: Path) -> str:
    """Return a page with the table's part in its place, at the end."""
    own = page.read_text("utf-8").split(f"\n{HEADING}\n")[0].rstrip("\n")
    return f"{own}\n\n{part}" if (part := block(page.stem)) else f"{own}\n"


def main() -> None:
    """Write all pages."""
    for page in sorted(PAGES.glob("*.md")):
        page.write_text(written(page), "utf-8")


if __name__ == "__main__":
    main()
