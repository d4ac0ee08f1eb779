"""Which series belongs to which project: the filter's two tables (services 7)."""

from __future__ import annotations

from typing import Any

from harness.incluster.services.records import Records, RecordTable


class Mappings:
    """Series rows and their projects. Safe to use from several threads.

    A mapping remembers whether it was only implied (ingestion puts every series into the admin project as
    well), so that forgetting a project also removes series that only ingestion has put there.

    Args:
        records: where they are kept; in memory only by default.
    """

    def __init__(self, records: Records | None = None) -> None:
        self._records = records = records or Records()
        self._lock = records.lock
        self._rows: RecordTable[dict[str, Any]] = RecordTable(records, "series")
        self._projects: RecordTable[dict[str, bool]] = RecordTable(records, "projects of series")

    def _of(self, series: str) -> dict[str, bool]:
        return self._projects.get(series) or {}

    def add_series(self, series: str, study: str, description: str | None = None) -> dict[str, Any] | None:
        """Create the series' row; None if it exists."""
        with self._records.transaction():
            if series in self._rows:
                return None
            row = {"series_instance_uid": series, "study_instance_uid": study, "description": description}
            self._rows.put(series, row)
            return row

    def map(self, series: str, project_id: str, *, implied: bool = False) -> bool:
        """Map a series to a project; False if it was mapped, or has no row."""
        with self._records.transaction():
            if series not in self._rows:
                return False
            known = self._of(series).get(project_id)
            self._projects.put(series, {**self._of(series), project_id: implied and known is not False})
            return known is None

    def unmap(self, series: str, project_id: str) -> bool:
        """Remove a mapping; return False if it did not exist."""
        with self._records.transaction():
            projects = dict(self._of(series))
            if projects.pop(project_id, None) is None:
                return False
            self._projects.put(series, projects)
            return True

    def forget(self, series: str) -> None:
        """Remove a series' row with its mappings."""
        with self._records.transaction():
            self._rows.remove(series)
            self._projects.remove(series)

    def projects(self, series: str) -> list[str]:
        """Return the project ids of a series."""
        return list(self._of(series))

    def is_wanted(self, series: str) -> bool:
        """Return whether some project has the series for its own sake."""
        return any(not implied for implied in self._of(series).values())

    def rows(self, project_id: str) -> list[dict[str, Any]]:
        """Return the series rows of a project."""
        with self._lock:
            return [row for series, row in self._rows.items() if project_id in self._of(series)]

    def visible(self, project_ids: list[str]) -> set[str]:
        """Return the series that are mapped to any of the projects."""
        with self._lock:
            wanted = set(project_ids)
            return {series for series, projects in self._projects.items() if wanted & projects.keys()}

    def overview(self) -> dict[str, list[str]]:
        """Return project id -> series."""
        with self._lock:
            found: dict[str, list[str]] = {}
            for series, projects in self._projects.items():
                for project in projects:
                    found.setdefault(project, []).append(series)
            return found
