"""The table of small inputs with the platform's answers, as its files in ``table`` say it; nothing is run here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "table"
_KINDS = ("dag", "form", "posted", "shown_by")


@dataclasses.dataclass(frozen=True)
class Difference:
    """Where the harness does otherwise than the platform, for the fidelity pages.

    Attributes:
        page: of ``docs/fidelity``.
        says: what the platform does.
        here: what happens here.
    """

    page: str
    says: str
    here: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """An input and the platform's answer.

    Attributes:
        id: unique in the whole table.
        section: of the sheet, as it is cited.
        rows: how the rows of the sheet begin that it answers for; none for what the sheet says in prose.
        kind: what runs it: ``dag`` in Airflow's image, ``form`` and ``posted`` on the host; ``shown_by`` names tests
            that show it.
        given: the input, as its kind needs it.
        answer: expression to value, as on the platform; a text where other tests show it.
        here: expression to value, where it is otherwise here.
        difference: what the fidelity page says then.
    """

    id: str
    section: str
    rows: tuple[str, ...]
    kind: str
    given: Mapping[str, Any]
    answer: Any
    here: Mapping[str, Any]
    difference: Difference | None

    @property
    def expected(self) -> dict[str, Any]:
        """What the harness has to answer."""
        return {**self.answer, **self.here}


def all_entries(kind: str | None = None) -> list[Entry]:
    """Return the entries of all files, or of one kind; an entry with ``each`` is one for each text in it."""
    found = [entry for path in sorted(FOLDER.glob("*.yaml")) for entry in _entries(path)]
    return [entry for entry in found if kind in (None, entry.kind)]


def _entries(path: Path) -> list[Entry]:
    document = yaml.safe_load(path.read_text("utf-8"))
    entries = []
    for raw in document["rows"]:
        texts = raw.pop("each", None)
        if texts is None:
            entries.append(_entry(raw, document["section"], path))
        else:
            for number, text in enumerate(texts, 1):
                one = {**raw, "id": f"{raw['id']}-{number}", "dag": raw["dag"].replace("EACH", text)}
                entries.append(_entry(one, document["section"], path))
    return entries


def _entry(raw: dict[str, Any], section: str, path: Path) -> Entry:
    given = dict(raw)
    rows = given.pop("row", [])
    difference = given.pop("fidelity", None)
    kinds = [kind for kind in _KINDS if kind in given]
    assert len(kinds) == 1, f"{path.name}: {raw['id']} must have one of {', '.join(_KINDS)}"
    return Entry(
        id=given.pop("id"),
        section=given.pop("section", section),
        rows=tuple([rows] if isinstance(rows, str) else rows),
        kind=kinds[0],
        answer=given.pop("answer"),
        here=given.pop("here", {}),
        difference=None if difference is None else Difference(**difference),
        given=given,
    )
