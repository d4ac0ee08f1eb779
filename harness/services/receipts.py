"""What arrived at the receiver: one receipt per stored object, with the file as it came."""

from __future__ import annotations

import dataclasses
import datetime
import threading
import uuid
from pathlib import Path
from typing import Any

from harness.services.dicomfile import Identifiers


@dataclasses.dataclass
class Receipt:
    """One object that was accepted. ``error`` says why it did not get through ingestion, "" otherwise."""

    id: str
    received_at: datetime.datetime
    peer: str
    calling_ae: str
    called_ae: str
    ids: Identifiers
    transfer_syntax: str
    size: int
    project: str
    dataset: str
    path: Path
    ingested: bool = False
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """The receipt of the control interface."""
        return {
            "id": self.id,
            "received_at": self.received_at.isoformat(),
            "peer": self.peer,
            "calling_ae": self.calling_ae,
            "called_ae": self.called_ae,
            "sop_class": self.ids.sop_class,
            "sop_instance_uid": self.ids.sop_instance,
            "series_instance_uid": self.ids.series,
            "study_instance_uid": self.ids.study,
            "transfer_syntax": self.transfer_syntax,
            "size": self.size,
            "project": self.project,
            "dataset": self.dataset,
            "ingested": self.ingested,
            "error": self.error,
        }


class Receipts:
    """All receipts in order of arrival. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._items: dict[str, Receipt] = {}

    def new_path(self) -> tuple[str, Path]:
        """An id and the path at which its file is to be put."""
        receipt_id = uuid.uuid4().hex
        return receipt_id, self._folder / f"{receipt_id}.dcm"

    def add(self, receipt: Receipt) -> None:
        """Remember a receipt."""
        with self._lock:
            self._items[receipt.id] = receipt

    def get(self, receipt_id: str) -> Receipt | None:
        """A receipt by id."""
        with self._lock:
            return self._items.get(receipt_id)

    def find(self, *, project: str | None = None, since: datetime.datetime | None = None) -> list[Receipt]:
        """Receipts of a project that came at or after a time."""
        with self._lock:
            return [
                item
                for item in self._items.values()
                if (project is None or item.project == project) and (since is None or item.received_at >= since)
            ]

    def forget_project(self, project: str) -> None:
        """Delete a project's receipts with their files."""
        with self._lock:
            for key, item in list(self._items.items()):
                if item.project == project:
                    item.path.unlink(missing_ok=True)
                    del self._items[key]
