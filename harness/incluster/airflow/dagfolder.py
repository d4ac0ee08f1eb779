# mypy: disable-error-code="import-not-found"
"""Keep the DAG folder parsed: again when it changes or on request, never in a loop."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any, Final, Protocol

_LOG: Final = logging.getLogger(__name__)

Signature = dict[str, tuple[int, int, int]]


class Parser(Protocol):
    """What :class:`harness.incluster.airflow.parsing.Zygote` does."""

    def parse(self, files: list[Path]) -> dict[str, dict[str, Any]]:
        """Parse files and write their DAGs to the database."""


def signature(folder: Path) -> Signature:
    """Return the identity of every Python file and zip below the folder: (mtime in ns, size, inode) by path."""
    found: Signature = {}
    for directory, subfolders, files in os.walk(folder, followlinks=True):
        subfolders[:] = [name for name in subfolders if name not in ("__pycache__", ".git")]
        for name in files:
            if name.endswith((".py", ".zip", ".airflowignore")):
                path = os.path.join(directory, name)
                try:
                    status = os.stat(path)
                except FileNotFoundError:
                    continue  # it was removed
                found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


class DagFolder:
    """The folder's DAGs and import errors; one refresh at a time."""

    def __init__(self, folder: Path, parser: Parser) -> None:
        self._folder = folder
        self._parser = parser
        self._lock = threading.Lock()
        self._known: Signature | None = None
        self._results: dict[str, dict[str, Any]] = {}
        self._lingering = False

    def refresh(self) -> dict[str, Any]:
        """Parse now; the answer of ``POST /flow/harness/refresh``.

        All files are parsed, as what a DAG file says may depend on more than its text; only one that timed out is
        skipped until something in the folder changes.
        """
        with self._lock:
            now = signature(self._folder)
            self._parse(now, unchanged=now == self._known)
            return self._answer()

    def refresh_if_changed(self) -> bool:
        """Parse when a file has changed; returns whether one had."""
        with self._lock:
            now = signature(self._folder)
            if now == self._known:
                if self._lingering:
                    self._retire()
                return False
            self._parse(now, unchanged=False)
            return True

    def watch(self, stop: threading.Event, interval_s: float = 1.0) -> None:
        """Check the folder every second until ``stop`` is set."""
        while not stop.wait(interval_s):
            try:
                if self.refresh_if_changed():
                    _LOG.info("the DAG folder changed: %d files parsed", len(self._results))
            except Exception:
                _LOG.exception("the DAG folder was not parsed")

    # -- inner parts -------------------------------------------------------------------------------------

    def _parse(self, now: Signature, *, unchanged: bool) -> None:
        files = _dag_files(self._folder)
        wanted = [file for file in files if not (unchanged and self._results.get(str(file), {}).get("timed_out"))]
        fresh = self._parser.parse(wanted) if wanted else {}
        present = {str(file) for file in files}
        self._results = {path: entry for path, entry in {**self._results, **fresh}.items() if path in present}
        self._known = now
        self._retire()

    def _retire(self) -> None:
        self._lingering = _retire({dag_id for entry in self._results.values() for dag_id in entry["dags"]})

    def _answer(self) -> dict[str, Any]:
        errors: dict[str, str] = {}
        defined: dict[str, str] = {}
        for path, entry in sorted(self._results.items()):
            relative = os.path.relpath(path, self._folder)
            if entry["error"]:
                errors[relative] = entry["error"]
            for dag_id in entry["dags"]:
                if dag_id in defined:
                    errors.setdefault(relative, f"the DAG {dag_id!r} is defined in {defined[dag_id]} too")
                defined.setdefault(dag_id, relative)
        dags = {dag_id: entry for dag_id, entry in _active_dags().items() if dag_id in defined}
        return {"dags": dags, "import_errors": errors}


def _dag_files(folder: Path) -> list[Path]:
    from airflow.configuration import conf
    from airflow.utils.file import list_py_file_paths

    # the safe mode: only files that hold both words "dag" and "airflow" (runtime 2.3)
    safe_mode = conf.getboolean("core", "dag_discovery_safe_mode")
    return sorted(Path(path) for path in list_py_file_paths(str(folder), safe_mode=safe_mode, include_examples=False))


def _retire(alive: set[str]) -> bool:
    """Make DAGs that no file defines any more invisible, each when its last run has ended.

    The scheduler does not look at the runs of an invisible DAG: they would never end. As long as it is visible, what
    they have not begun fails (:mod:`harness.incluster.airflow.start_failures`).

    Returns:
        Whether a DAG is still there for its runs alone.
    """
    from airflow.models import DagModel, DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import State

    lingering = False
    with create_session() as session:
        gone = [
            model for model in session.query(DagModel).filter(DagModel.is_active.is_(True)) if model.dag_id not in alive
        ]
        for model in gone:
            unfinished = session.query(DagRun.id).filter(
                DagRun.dag_id == model.dag_id, DagRun.state.in_(State.unfinished_dr_states)
            )
            if unfinished.first() is None:
                model.is_active = False
            else:
                lingering = True
    return lingering


def _active_dags() -> dict[str, dict[str, Any]]:
    from airflow.models import DagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(DagModel.dag_id, DagModel.fileloc, DagModel.is_paused).filter(DagModel.is_active.is_(True))
        return {dag_id: {"fileloc": fileloc, "is_paused": is_paused} for dag_id, fileloc, is_paused in rows}
