"""Datasets of the backend: named lists of series, one set per project (services 12.1)."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterable
from typing import Any

from harness.incluster.services.records import Records, RecordTable


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One dataset; ``identifiers`` are series UIDs in order of arrival."""

    name: str
    username: str
    time_created: str
    time_updated: str
    identifiers: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the backend's dataset object."""
        return dataclasses.asdict(self)


class Datasets:
    """All datasets, by project id and name. Safe to use from several threads.

    Args:
        records: where they are kept; in memory only by default.
    """

    def __init__(self, records: Records | None = None) -> None:
        self._records = records = records or Records()
        self._items: RecordTable[Dataset] = RecordTable(
            records, "datasets", dataclasses.asdict, lambda body: Dataset(**body)
        )

    def get(self, project_id: str, name: str) -> dict[str, Any] | None:
        """Return a copy of one dataset."""
        found = self._items.get(_key(project_id, name))
        return found.as_json() if found else None

    def of_project(self, project_id: str) -> list[dict[str, Any]]:
        """Copy of a project's datasets."""
        return [item.as_json() for key, item in self._items.items() if _owner(key) == project_id]

    def add(self, project_id: str, name: str, identifiers: Iterable[str], *, username: str) -> dict[str, Any]:
        """Add series, creating the dataset if it is missing."""
        with self._records.transaction():
            known = self._items.get(_key(project_id, name))
            present = known.identifiers if known else []
            return self.replace(project_id, name, [*present, *identifiers], username=username)

    def replace(self, project_id: str, name: str, identifiers: Iterable[str], *, username: str) -> dict[str, Any]:
        """Set the series of a dataset."""
        with self._records.transaction():
            now = datetime.datetime.now(datetime.timezone.utc).isoformat()
            old = self._items.get(_key(project_id, name)) or Dataset(name, username, now, now, [])
            new = dataclasses.replace(old, time_updated=now, identifiers=list(dict.fromkeys(identifiers)))
            self._items.put(_key(project_id, name), new)
            return new.as_json()

    def take(self, project_id: str, name: str, identifiers: Iterable[str], *, username: str) -> dict[str, Any]:
        """Remove series from a dataset."""
        with self._records.transaction():
            gone = set(identifiers)
            present = self.add(project_id, name, (), username=username)["identifiers"]
            return self.replace(project_id, name, [uid for uid in present if uid not in gone], username=username)

    def remove(self, project_id: str, name: str) -> bool:
        """Delete a dataset; return False if it does not exist."""
        return self._items.remove(_key(project_id, name)) is not None

    def forget_project(self, project_id: str) -> None:
        """Delete all datasets of a project."""
        with self._records.transaction():
            for key, _ in self._items.items():
                if _owner(key) == project_id:
                    self._items.remove(key)

    def forget_series(self, series: Iterable[str]) -> None:
        """Remove series from all datasets, and datasets that become empty."""
        with self._records.transaction():
            gone = set(series)
            for key, item in self._items.items():
                kept = [uid for uid in item.identifiers if uid not in gone]
                if not kept and item.identifiers:
                    self._items.remove(key)
                elif len(kept) < len(item.identifiers):
                    self._items.put(key, dataclasses.replace(item, identifiers=kept))


def _key(project_id: str, name: str) -> str:
    return json.dumps([project_id, name])


def _owner(key: str) -> str:
    return str(json.loads(key)[0])
