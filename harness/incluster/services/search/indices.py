"""The documents behind the metadata search, by index (services 11.2)."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from harness.incluster.services.records import Records, RecordTable
from harness.incluster.services.wildcard import matches


@dataclasses.dataclass
class StoredDocument:
    """One document with its version."""

    id: str
    source: dict[str, Any]
    version: int
    sequence: int


class Indices:
    """Indices and documents. Safe to use from several threads; what goes in and out is copied.

    Args:
        records: where they are kept; in memory only by default.
    """

    def __init__(self, records: Records | None = None) -> None:
        self._records = records = records or Records()
        self._lock = records.lock
        self._names: RecordTable[None] = RecordTable(records, "indices")
        self._tables = {name: self._table(name) for name, _ in self._names.items()}
        self._sequence = max((item.sequence for table in self._tables.values() for item in table.values()), default=0)

    def _table(self, index: str) -> RecordTable[StoredDocument]:
        return RecordTable(
            self._records, f"documents of {index}", dataclasses.asdict, lambda body: StoredDocument(**body)
        )

    def _documents(self, index: str) -> RecordTable[StoredDocument]:
        if index not in self._tables:
            self._tables[index] = self._table(index)
        return self._tables[index]

    def create(self, index: str) -> bool:
        """Create an index; False if it exists."""
        with self._records.transaction():
            if index in self._names:
                return False
            self._names.put(index, None)
            return True

    def drop(self, index: str) -> bool:
        """Delete an index; return False if it does not exist."""
        with self._records.transaction():
            if index not in self._names:
                return False
            self._documents(index).clear()
            self._names.remove(index)
            return True

    def names(self, pattern: str) -> list[str]:
        """Return the existing indices of a comma-separated list of names and wildcards.

        Raises:
            WildcardError: a wildcard is too long.
        """
        with self._lock:
            wanted = ["*" if part == "_all" else part for part in pattern.split(",")]
            return [name for name, _ in self._names.items() if any(matches(name, part) for part in wanted)]

    def put(self, index: str, doc_id: str, source: dict[str, Any]) -> tuple[StoredDocument, bool]:
        """Write a document (creating the index); returns it and whether it is new."""
        with self._records.transaction():
            self.create(index)
            old = self._documents(index).get(doc_id)
            self._sequence += 1
            new = StoredDocument(doc_id, copy.deepcopy(source), old.version + 1 if old else 1, self._sequence)
            self._documents(index).put(doc_id, new)
            return new, old is None

    def get(self, index: str, doc_id: str) -> StoredDocument | None:
        """Return a copy of a document."""
        with self._lock:
            return copy.deepcopy(self._documents(index).get(doc_id)) if index in self._names else None

    def delete(self, index: str, doc_id: str) -> bool:
        """Delete a document; return False if it does not exist."""
        with self._records.transaction():
            return index in self._names and self._documents(index).remove(doc_id) is not None

    @property
    def latest(self) -> int:
        """Number of the last change of any index."""
        with self._lock:
            return self._sequence

    def list_written_after(self, index: str, sequence: int) -> list[StoredDocument]:
        """Copy of the documents of an index that were written after a change, the oldest first."""
        found = [item for item in self.documents(index) if item.sequence > sequence]
        return sorted(found, key=lambda item: item.sequence)

    def documents(self, index: str) -> list[StoredDocument]:
        """Copy of all documents of an index, oldest first."""
        with self._lock:
            return copy.deepcopy(self._documents(index).values()) if index in self._names else []
