"""Documents of a project's metadata index: kept by the emulated service, collected after a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.wire.fields import select_fitting


@dataclasses.dataclass(frozen=True)
class IndexedDocument:
    """A document as it is in the index.

    Attributes:
        id: the UID of its series, unless a program chose another one.
        source: the document.
    """

    id: str = ""
    source: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class IndexedDocuments:
    """What was written to an index.

    Attributes:
        latest: number of the last change of any index; changes are counted.
        documents: those that were written after a change that was asked for, the oldest first.
    """

    latest: int = 0
    documents: tuple[IndexedDocument, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"latest": self.latest, "documents": [dataclasses.asdict(item) for item in self.documents]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> IndexedDocuments:
        """Read what :meth:`as_json` returned."""
        found = document.get("documents")
        items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
        documents = tuple(IndexedDocument(**select_fitting(IndexedDocument, item)) for item in items)
        return cls(**select_fitting(cls, document), documents=documents)
