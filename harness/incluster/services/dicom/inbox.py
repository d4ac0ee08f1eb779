"""Collect received objects by series, and ingest a series when no more objects arrive (services 8)."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from typing import Any, Final

from harness.incluster.services.dicom.dicomfile import DicomError
from harness.incluster.services.dicom.ingest import Ingestion
from harness.incluster.services.dicom.receipts import Receipt, Receipts
from harness.incluster.services.records import StorageError
from harness.incluster.services.search.document import IndexedDocumentError

log = logging.getLogger("harness.incluster.services.dicom.inbox")


# a peer that has sent nothing for so long has nothing more to send
SILENT_S: Final = 5.0


class ReceivedSeries:
    """Receipts of one series that wait for its end, and the connections that they came over."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.peers: set[Any] = set()
        self.last_arrival = time.monotonic()


class Inbox:
    """Collects what arrives by series and hands a series on after the quiet period.

    A connection may bring more of its series until it ends or has been silent for :data:`SILENT_S`. One thread waits
    for the next series to become quiet; nothing polls.

    Args:
        receipts: record the fate of each object; waiting ones are ingested first.
    """

    def __init__(self, ingestion: Ingestion, receipts: Receipts, quiet_s: float) -> None:
        self._ingestion = ingestion
        self._receipts = receipts
        self._quiet_s = quiet_s
        self._changed = threading.Condition()
        self._waiting: dict[str, ReceivedSeries] = {}
        self._busy = 0
        self._open: dict[Any, float] = {}
        self._stop = False
        for receipt in receipts.list_waiting():
            self.add(receipt)
        self._thread = threading.Thread(target=self._run, name="ingestion", daemon=True)

    def start(self) -> None:
        """Begin to ingest."""
        self._thread.start()

    def stop(self) -> None:
        """End after the series in hand."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def association_opened(self, peer: Any) -> None:
        """Record a new peer."""
        with self._changed:
            self._open[peer] = time.monotonic()

    def association_active(self, peer: Any) -> None:
        """Record data of a peer."""
        if peer in self._open:
            self._open[peer] = time.monotonic()

    def association_closed(self, peer: Any) -> None:
        """Handle the end of a peer."""
        with self._changed:
            self._open.pop(peer, None)
            self._changed.notify_all()

    def add(self, receipt: Receipt, peer: Any = None) -> None:
        """Add an object of a series, and the peer that it came from if that may send more of it."""
        with self._changed:
            series = self._waiting.setdefault(receipt.ids.series, ReceivedSeries())
            series.receipts.append(receipt)
            series.peers.add(peer)
            series.last_arrival = time.monotonic()
            self._changed.notify_all()

    def settle(self, timeout_s: float) -> bool:
        """Wait until no peer is sending and everything is ingested; False when the time is over.

        A peer that holds its connection open and says nothing is not waited for: it could do so for ever.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                now = time.monotonic()
                last = max(self._open.values(), default=None)
                silent_in = 0.0 if last is None else last + SILENT_S - now
                if not (self._waiting or self._busy) and silent_in <= 0:
                    return True
                if now >= deadline:
                    return False
                left = deadline - now
                self._changed.wait(min(left, silent_in) if silent_in > 0 else left)

    def describe_pending(self) -> dict[str, Any]:
        """Return the open associations, the series that wait, and the number of ingestions at work."""
        with self._changed:
            return {"associations": len(self._open), "series": sorted(self._waiting), "ingesting": self._busy}

    def _run(self) -> None:
        while True:
            with self._changed:
                uid = self._next_quiet()
                if uid is None:
                    return
                series = self._waiting.pop(uid)
                self._busy += 1
            try:
                self._ingest(series.receipts)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

    def _next_quiet(self) -> str | None:
        """Wait, holding the condition, until a series is quiet; None at the end."""
        while not self._stop:
            now = time.monotonic()
            due = {uid: self._find_end(series) for uid, series in self._waiting.items()}
            uid = min(due, key=due.__getitem__, default=None)
            if uid is not None and due[uid] <= now:
                return uid
            self._changed.wait(None if uid is None else due[uid] - now)
        return None

    def _find_end(self, series: ReceivedSeries) -> float:
        """Return when nothing more is expected of a series if nothing more is heard."""
        silent = [self._open[peer] + SILENT_S for peer in series.peers if peer in self._open]
        return max([series.last_arrival + self._quiet_s, *silent])

    def _ingest(self, receipts: list[Receipt]) -> None:
        first, ingested = receipts[0], False
        try:
            outcome = self._ingestion.ingest(
                [receipt.path for receipt in receipts],
                project_name=first.project,
                dataset_name=first.dataset,
                now=first.received_at,
            )
        except (DicomError, IndexedDocumentError, StorageError, OSError) as problem:
            error = f"{type(problem).__name__}: {problem}"
            log.warning("series %s is not ingested: %s", first.ids.series, error)
        except Exception as problem:  # the thread must survive an unexpected series
            error = f"{type(problem).__name__}: {problem}"
            log.exception("series %s is not ingested", first.ids.series)
        else:
            error = outcome.error
            ingested = True
        try:
            self._receipts.note([dataclasses.replace(item, ingested=ingested, error=error) for item in receipts])
        except StorageError as problem:
            # ingesting a series again changes nothing, so the next start does
            log.error("series %s: %s", first.ids.series, problem)
