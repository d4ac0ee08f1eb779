"""Ingest a received series as the platform's incoming DAG does (services 8.3, 8.4)."""

from __future__ import annotations

import dataclasses
import datetime
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.incluster.services.access.directory import ADMIN_PROJECT, Directory, ProjectRecord
from harness.incluster.services.backend.datasets import Datasets
from harness.incluster.services.dicom.archive import Archive
from harness.incluster.services.dicom.dicomfile import DicomError
from harness.incluster.services.dicom.mappings import Mappings
from harness.incluster.services.records import Records
from harness.incluster.services.search import document
from harness.incluster.services.search.indices import Indices

PREFIX = "kp-"


@dataclasses.dataclass(frozen=True)
class IngestOutcome:
    """What became of one series: ``error`` is "" or says which effect is missing."""

    series: str
    stored: int
    error: str = ""


def project_of(called_ae: str) -> str:
    """Return the project that a called AE title names; without the prefix it is the admin project."""
    return called_ae[len(PREFIX) :] if called_ae.startswith(PREFIX) else ADMIN_PROJECT


def dataset_of(calling_ae: str, now: datetime.datetime) -> str:
    """Return the dataset that a calling AE title names; without the prefix it is a time stamp."""
    if calling_ae.startswith(PREFIX):
        return calling_ae[len(PREFIX) :]
    return now.astimezone(document.BERLIN).strftime("%y-%m-%d-%H:%M:%S%f")


class Ingestion:
    """Archive, metadata of project and admin, dataset membership, mapping. Callable from any thread."""

    def __init__(
        self,
        directory: Directory,
        archive: Archive,
        mappings: Mappings,
        indices: Indices,
        datasets: Datasets,
        records: Records,
    ) -> None:
        self._directory = directory
        self._archive = archive
        self._mappings = mappings
        self._indices = indices
        self._datasets = datasets
        self._records = records
        self._lock = threading.Lock()

    def ingest(
        self, files: Sequence[Path], *, project_name: str, dataset_name: str, now: datetime.datetime
    ) -> IngestOutcome:
        """Ingest copies of the files of one series, in order of arrival.

        The series is in the archive before its metadata can be searched: on the platform both happen at once,
        and a caller that trusts the index would race.

        Raises:
            DicomError: a file cannot be archived; what came before it stays.
            document.DocumentError: the first file cannot be described.
            OSError, StorageError: the disk takes no more.
        """
        dataset = document.read(files[0])
        meta = document.series_document(dataset, dataset_name=dataset_name, project=project_name, now=now)
        with self._lock:
            ids = [item.ids for item in self._archive.store_all(files)]
            if len({item.series for item in ids}) != 1:
                raise DicomError("the files are of several series")
            series, study = ids[0].series, ids[0].study
            admin = self._directory.admin
            project = self._directory.project(project_name)
            targets: list[ProjectRecord] = [admin]
            with self._records.transaction():
                self._mappings.add_series(series, study, _description(dataset))
                self._mappings.map(series, admin.id, implied=project != admin)
                if project is not None and project != admin:
                    self._mappings.map(series, project.id)
                    targets.append(project)
                for target in targets:
                    self._datasets.add(target.id, dataset_name, [series], username="system")
                    self._indices.put(target.index, series, dict(meta))
        missing = f"there is no project {project_name!r}: the series went to the admin project only"
        return IngestOutcome(series, len(files), "" if project is not None else missing)


def _description(dataset: Any) -> str | None:
    """Return the series' description; a broken one counts as absent."""
    try:
        return document.clean_text(str(dataset.get("SeriesDescription") or "")) or None
    except Exception:  # pydicom raises many kinds on broken values
        return None
