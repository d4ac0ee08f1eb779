"""Which series belongs to which project: the filter's two tables (services 7)."""

from __future__ import annotations

import threading
from typing import Any


class Mappings:
    """Series rows and their projects. Safe to use from several threads.

    A mapping remembers whether it was only implied (ingestion puts every series into the admin project as
    well), so that forgetting a project can take along what nobody asked to keep.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._rows: dict[str, dict[str, Any]] = {}
        self._projects: dict[str, dict[str, bool]] = {}

    def add_series(self, series: str, study: str, description: str | None = None) -> dict[str, Any] | None:
        """Create the series' row; None if it exists."""
        with self._lock:
            if series in self._rows:
                return None
            row = {"series_instance_uid": series, "study_instance_uid": study, "description": description}
            self._rows[series] = row
            self._projects.setdefault(series, {})
            return row

    def map(self, series: str, project_id: str, *, implied: bool = False) -> bool:
        """Map a series to a project; False if it was mapped, or has no row."""
        with self._lock:
            if series not in self._rows:
                return False
            projects = self._projects[series]
            if project_id in projects:
                projects[project_id] = projects[project_id] and implied
                return False
            projects[project_id] = implied
            return True

    def unmap(self, series: str, project_id: str) -> bool:
        """Remove a mapping; False if there was none."""
        with self._lock:
            return self._projects.get(series, {}).pop(project_id, None) is not None

    def forget(self, series: str) -> None:
        """Remove a series' row with its mappings."""
        with self._lock:
            self._rows.pop(series, None)
            self._projects.pop(series, None)

    def projects(self, series: str) -> list[str]:
        """Project ids of a series."""
        with self._lock:
            return list(self._projects.get(series, ()))

    def wanted(self, series: str) -> bool:
        """Whether some project has the series for its own sake."""
        with self._lock:
            return any(not implied for implied in self._projects.get(series, {}).values())

    def rows(self, project_id: str) -> list[dict[str, Any]]:
        """The series rows of a project."""
        with self._lock:
            return [row for series, row in self._rows.items() if project_id in self._projects[series]]

    def visible(self, project_ids: list[str]) -> set[str]:
        """The series that are mapped to any of the projects."""
        with self._lock:
            wanted = set(project_ids)
            return {series for series, projects in self._projects.items() if wanted & projects.keys()}

    def overview(self) -> dict[str, list[str]]:
        """Project id -> series."""
        with self._lock:
            found: dict[str, list[str]] = {}
            for series, projects in self._projects.items():
                for project in projects:
                    found.setdefault(project, []).append(series)
            return found
