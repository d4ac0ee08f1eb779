"""Receipts of the receiver: one for each stored object, with the file as it came."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.incluster.services.dicom.dicomfile import Identifiers
from harness.incluster.services.durable import sync_while
from harness.incluster.services.records import Records, RecordTable, StorageError
from harness.wire.receipts import ReceivedObject


@dataclasses.dataclass(frozen=True)
class Receipt:
    """One accepted object. ``error`` is the reason of a failed ingestion, or empty."""

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
        """Return the receipt of the control interface."""
        received = ReceivedObject(
            id=self.id,
            received_at=self.received_at.isoformat(),
            peer=self.peer,
            calling_ae=self.calling_ae,
            called_ae=self.called_ae,
            sop_class=self.ids.sop_class,
            sop_instance_uid=self.ids.sop_instance,
            series_instance_uid=self.ids.series,
            study_instance_uid=self.ids.study,
            transfer_syntax=self.transfer_syntax,
            size=self.size,
            project=self.project,
            dataset=self.dataset,
            ingested=self.ingested,
            error=self.error,
        )
        return received.as_json()


class Receipts:
    """All receipts in order of arrival. Safe to use from several threads.

    Args:
        folder: of the files; those without a receipt are leftovers of a killed process, and removed.
        records: where the receipts are kept; in memory only by default.
    """

    def __init__(self, folder: Path, records: Records | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._records = records = records or Records()
        self._items: RecordTable[Receipt] = RecordTable(records, "receipts", _encode, self._decode)
        for item in self._items.values():
            # the row was written, but the power failed before the file: no client got an acknowledgement
            if not item.path.is_file() or item.path.stat().st_size != item.size:
                self._items.remove(item.id)
        kept = {item.path.name for item in self._items.values()}
        for path in folder.iterdir():
            if path.name not in kept:
                path.unlink()

    def new_path(self) -> tuple[str, Path]:
        """Return a new id and the path for its file."""
        receipt_id = uuid.uuid4().hex
        return receipt_id, self._folder / f"{receipt_id}.dcm"

    def add(self, receipt: Receipt) -> None:
        """Remember a receipt; it and its file are on disk on return.

        Raises:
            OSError, StorageError: they are not; neither is there any more.
        """
        try:
            with sync_while(receipt.path), sync_while(self._folder):
                self._items.put(receipt.id, receipt)
        except BaseException:
            with contextlib.suppress(StorageError):
                self._items.remove(receipt.id)
            receipt.path.unlink(missing_ok=True)
            raise

    def note(self, receipts: Iterable[Receipt]) -> None:
        """Write the state of receipts, all at once; removed ones stay removed.

        Raises:
            StorageError: it cannot be written.
        """
        with self._records.transaction():
            for receipt in receipts:
                if receipt.id in self._items:
                    self._items.put(receipt.id, receipt)

    def get(self, receipt_id: str) -> Receipt | None:
        """Return a receipt by id."""
        return self._items.get(receipt_id)

    def find(self, *, project: str | None = None, since: datetime.datetime | None = None) -> list[Receipt]:
        """Return the receipts of a project that came at or after a time."""
        return [
            item
            for item in self._items.values()
            if (project is None or item.project == project) and (since is None or item.received_at >= since)
        ]

    def list_waiting(self) -> list[Receipt]:
        """Return the receipts that are neither ingested nor refused."""
        return [item for item in self._items.values() if not item.ingested and not item.error]

    def forget_project(self, project: str) -> None:
        """Delete a project's receipts with their files."""
        for key, item in self._items.items():
            if item.project == project:
                self._items.remove(key)
                item.path.unlink(missing_ok=True)

    def _decode(self, body: dict[str, Any]) -> Receipt:
        arrived = datetime.datetime.fromisoformat(body["received_at"])
        path = self._folder / body["path"]
        return Receipt(**{**body, "received_at": arrived, "ids": Identifiers(*body["ids"]), "path": path})


def _encode(receipt: Receipt) -> dict[str, Any]:
    return {**dataclasses.asdict(receipt), "received_at": receipt.received_at.isoformat(), "path": receipt.path.name}
