"""Datasets of the backend: named lists of series, one set per project (services 12.1)."""

from __future__ import annotations

import dataclasses
import datetime
import threading
from collections.abc import Iterable
from typing import Any


@dataclasses.dataclass
class Dataset:
    """One dataset; ``identifiers`` are series UIDs in order of arrival."""

    name: str
    username: str
    time_created: str
    time_updated: str
    identifiers: list[str]

    def as_json(self) -> dict[str, Any]:
        """The backend's dataset object."""
        return dataclasses.asdict(self)


class Datasets:
    """All datasets, by project id and name. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._items: dict[tuple[str, str], Dataset] = {}

    def get(self, project_id: str, name: str) -> dict[str, Any] | None:
        """A copy of one dataset."""
        with self._lock:
            found = self._items.get((project_id, name))
            return found.as_json() if found else None

    def of_project(self, project_id: str) -> list[dict[str, Any]]:
        """Copies of a project's datasets."""
        with self._lock:
            return [item.as_json() for (owner, _), item in self._items.items() if owner == project_id]

    def add(self, project_id: str, name: str, identifiers: Iterable[str], *, username: str) -> dict[str, Any]:
        """Add series, creating the dataset if it is missing."""
        with self._lock:
            now = datetime.datetime.now(datetime.timezone.utc).isoformat()
            item = self._items.setdefault((project_id, name), Dataset(name, username, now, now, []))
            item.identifiers = list(dict.fromkeys([*item.identifiers, *identifiers]))
            item.time_updated = now
            return item.as_json()

    def replace(self, project_id: str, name: str, identifiers: Iterable[str], *, username: str) -> dict[str, Any]:
        """Set the series of a dataset."""
        with self._lock:
            self.add(project_id, name, (), username=username)
            self._items[project_id, name].identifiers = list(dict.fromkeys(identifiers))
            return self._items[project_id, name].as_json()

    def take(self, project_id: str, name: str, identifiers: Iterable[str], *, username: str) -> dict[str, Any]:
        """Remove series from a dataset."""
        with self._lock:
            gone = set(identifiers)
            present = self.add(project_id, name, (), username=username)["identifiers"]
            return self.replace(project_id, name, [uid for uid in present if uid not in gone], username=username)

    def remove(self, project_id: str, name: str) -> bool:
        """Delete a dataset; False if there is none."""
        with self._lock:
            return self._items.pop((project_id, name), None) is not None

    def forget_project(self, project_id: str) -> None:
        """Delete all datasets of a project."""
        with self._lock:
            self._items = {key: item for key, item in self._items.items() if key[0] != project_id}

    def forget_series(self, series: Iterable[str]) -> None:
        """Take series out of all datasets; what becomes empty goes."""
        with self._lock:
            gone = set(series)
            for key, item in list(self._items.items()):
                kept = [uid for uid in item.identifiers if uid not in gone]
                if len(kept) < len(item.identifiers):
                    item.identifiers = kept
                    if not kept:
                        del self._items[key]
