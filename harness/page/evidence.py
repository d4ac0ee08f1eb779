"""The reports of runs: all in the folder for evidence, whether the page or another program has made them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness import report
from harness.common import documents
from harness.report.text import find_inside

_LARGEST: Final = 64 << 20
_MOST: Final = 2000
_DEEPEST: Final = 3


class EvidenceFolder:
    """A folder with the evidence of runs. Safe to use from several threads.

    Args:
        root: the folder; it need not be there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._lock = threading.Lock()
        self._read: dict[tuple[str, int], str] = {}

    def reports(self) -> Mapping[str, str]:
        """Return the run id of each DAG run that has a report, with the report's path below the folder."""
        found: dict[str, str] = {}
        with self._lock:
            known, self._read = self._read, {}
            for directory in self._directories():
                path = directory / "run.json"
                with contextlib.suppress(OSError):
                    key = (str(path), path.stat().st_mtime_ns)
                    self._read[key] = known[key] if key in known else _read_run_id(path)
                    found[self._read[key]] = (directory / report.FILE).relative_to(self.root).as_posix()
        found.pop("", None)
        return found

    def find(self, relative: str) -> Path | None:
        """Return a file below the folder; ``None`` if it is missing, or leads out of the folder."""
        if "\0" in relative or relative.startswith("/"):
            return None
        return find_inside(self.root, relative)

    def _directories(self) -> list[Path]:
        found: list[Path] = []
        for folder, names, files in os.walk(self.root):
            depth = len(Path(folder).relative_to(self.root).parts)
            if "run.json" in files and report.FILE in files:
                found.append(Path(folder))
                names.clear()
            elif depth >= _DEEPEST:
                names.clear()
            if len(found) >= _MOST:
                break
        return found


def _read_run_id(path: Path) -> str:
    """Return the DAG run that the evidence is of; nothing of what is no evidence."""
    if path.stat().st_size > _LARGEST:
        return ""
    try:
        run: Any = documents.parse_json(path.read_bytes())
    except ValueError:
        return ""
    found = run.get("run_id") if isinstance(run, dict) else None
    return found if isinstance(found, str) else ""
