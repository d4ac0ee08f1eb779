"""The documents behind the metadata search, by index (services 11.2)."""

from __future__ import annotations

import copy
import dataclasses
import fnmatch
import threading
from typing import Any


@dataclasses.dataclass
class Stored:
    """One document with its version."""

    id: str
    source: dict[str, Any]
    version: int
    sequence: int


class Indices:
    """Indices and documents. Safe to use from several threads; what goes in and out is copied."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._items: dict[str, dict[str, Stored]] = {}
        self._sequence = 0

    def create(self, index: str) -> bool:
        """Create an index; False if it exists."""
        with self._lock:
            if index in self._items:
                return False
            self._items[index] = {}
            return True

    def drop(self, index: str) -> bool:
        """Delete an index; False if there is none."""
        with self._lock:
            return self._items.pop(index, None) is not None

    def names(self, pattern: str) -> list[str]:
        """Existing indices of a comma list of names and wildcards."""
        with self._lock:
            wanted = ["*" if part == "_all" else part for part in pattern.split(",")]
            return [name for name in self._items if any(fnmatch.fnmatchcase(name, part) for part in wanted)]

    def put(self, index: str, doc_id: str, source: dict[str, Any]) -> tuple[Stored, bool]:
        """Write a document (creating the index); returns it and whether it is new."""
        with self._lock:
            documents = self._items.setdefault(index, {})
            old = documents.get(doc_id)
            self._sequence += 1
            new = Stored(doc_id, copy.deepcopy(source), old.version + 1 if old else 1, self._sequence)
            documents[doc_id] = new
            return new, old is None

    def get(self, index: str, doc_id: str) -> Stored | None:
        """A copy of a document."""
        with self._lock:
            found = self._items.get(index, {}).get(doc_id)
            return copy.deepcopy(found)

    def delete(self, index: str, doc_id: str) -> bool:
        """Delete a document; False if there is none."""
        with self._lock:
            return self._items.get(index, {}).pop(doc_id, None) is not None

    def documents(self, index: str) -> list[Stored]:
        """Copies of all documents of an index, oldest first."""
        with self._lock:
            return [copy.deepcopy(item) for item in self._items.get(index, {}).values()]
