"""The archive behind the filter: files on disk, an index of query attributes in memory (services 6)."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from harness.incluster.services import durable
from harness.incluster.services.dicom import charsets, dicomedit, dicomfile
from harness.incluster.services.dicom.dicomfile import DicomError, Identifiers
from harness.incluster.services.records import Records, RecordTable
from harness.kube import jsontext

# what QIDO answers by default, per level
STUDY_TAGS: Final = (
    "00080005", "00080020", "00080030", "00080050", "00080090", "00081030",
    "00100010", "00100020", "00100030", "00100040", "0020000D", "00200010",
)  # fmt: skip
SERIES_TAGS: Final = (
    "00080021", "00080031", "00080060", "00080070", "0008103E", "00081090", "00180015",
    "0020000E", "00200011", "00200052", "00400244", "00400245",
)  # fmt: skip
INSTANCE_TAGS: Final = (
    "00080008", "00080016", "00080018", "00200013", "00200032", "00200037",
    "00280002", "00280008", "00280010", "00280011", "00280030", "00280100",
)  # fmt: skip
Attributes = dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class StoredInstance:
    """One archived object; ``attributes`` is DICOM JSON of the tags above."""

    ids: Identifiers
    path: Path
    transfer_syntax: str
    attributes: Attributes


class Archive:
    """Objects by study, series and instance. Safe to use from several threads.

    A series is found by its UID only; a new copy of an instance replaces the earlier one.

    Args:
        folder: of the files.
        records: where the index is kept; in memory only by default.
    """

    def __init__(self, folder: Path, records: Records | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob(".*"):
            part.unlink()
        self._folder = folder
        self._lock = threading.RLock()
        self._records = records = records or Records()
        self._items: RecordTable[StoredInstance] = RecordTable(records, "instances", self._encode, self._decode)
        self._series: dict[str, dict[str, StoredInstance]] = {}
        for item in self._items.values():
            self._series.setdefault(item.ids.series, {})[item.ids.sop_instance] = item

    def store(self, source: Path) -> StoredInstance:
        """Archive a copy of one file; see :meth:`store_all`."""
        return self.store_all([source])[0]

    def store_all(self, sources: Sequence[Path]) -> list[StoredInstance]:
        """Archive copies of files without the two tags that name dataset and project (services 8.3).

        They are on disk on return.

        Raises:
            DicomError: a file cannot be archived; what came before it is.
            OSError, StorageError: the disk takes no more.
        """
        stored: list[StoredInstance] = []
        parts: list[Path] = []
        try:
            try:
                for source in sources:
                    parts.append(self._folder / f".{uuid.uuid4().hex}")
                    stored.append(self._copy(source, parts[-1], stored))
            finally:
                self._keep(stored, parts)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)
        return stored

    def _copy(self, source: Path, part: Path, before: Sequence[StoredInstance]) -> StoredInstance:
        layout = dicomfile.scan(source)
        ids = dicomfile.identifiers(source, layout)
        attributes = _attributes(source)
        with self._lock:
            known = [*self._series.get(ids.series, {}).values(), *before[-1:]]
        other = next(
            (item.ids.study for item in known if item.ids.series == ids.series and item.ids.study != ids.study), None
        )
        if other is not None:
            raise DicomError(f"series {ids.series} belongs to study {other} in the archive, here to {ids.study}")
        target = self._folder / ids.study / ids.series / f"{ids.sop_instance}.dcm"
        tags = {dicomedit.CLINICAL_TRIAL_SPONSOR: None, dicomedit.CLINICAL_TRIAL_PROTOCOL: None}
        dicomedit.rewrite(source, part, layout, tags)
        return StoredInstance(ids, target, layout.transfer_syntax, attributes)

    def _keep(self, stored: Sequence[StoredInstance], parts: Sequence[Path]) -> None:
        """Move copies to their places, in an order that survives a power failure at any moment."""
        copies = list(zip(stored, parts, strict=False))
        durable.sync_all(part for _, part in copies)
        folders = {item.path.parent for item in stored}
        for folder in folders:
            durable.make_folder(folder, self._folder)
        for item, part in copies:
            part.replace(item.path)
        durable.sync_all(folders)
        with self._records.transaction():
            for item in stored:
                self._items.put(f"{item.ids.series}/{item.ids.sop_instance}", item)
        with self._lock:
            for item in stored:
                self._series.setdefault(item.ids.series, {})[item.ids.sop_instance] = item

    def _encode(self, instance: StoredInstance) -> dict[str, Any]:
        path = instance.path.relative_to(self._folder).as_posix()
        return {**dataclasses.asdict(instance), "path": path}

    def _decode(self, body: dict[str, Any]) -> StoredInstance:
        return StoredInstance(**{**body, "ids": Identifiers(*body["ids"]), "path": self._folder / body["path"]})

    def series(self, uid: str) -> list[StoredInstance]:
        """Return the instances of a series, by instance number; empty for an unknown one."""
        with self._lock:
            found = list(self._series.get(uid, {}).values())
        return sorted(found, key=lambda item: (_number(item), item.ids.sop_instance))

    def series_uids(self, study: str | None = None) -> list[str]:
        """Return the series of a study, or of all."""
        with self._lock:
            return [
                uid
                for uid, items in self._series.items()
                if items and (study is None or next(iter(items.values())).ids.study == study)
            ]

    def studies(self) -> list[str]:
        """Return the studies in order of arrival."""
        with self._lock:
            return list(dict.fromkeys(next(iter(items.values())).ids.study for items in self._series.values() if items))

    def remove(self, series: Iterable[str]) -> None:
        """Delete series, files included."""
        for uid in series:
            with self._lock, self._records.transaction():
                items = self._series.get(uid, {})
                for item in items.values():
                    self._items.remove(f"{uid}/{item.ids.sop_instance}")
            with self._lock:
                self._series.pop(uid, None)
            for item in list(items.values())[:1]:
                shutil.rmtree(item.path.parent, ignore_errors=True)


def value(attributes: Attributes, tag: str) -> Any:
    """Return the first value of a DICOM JSON attribute, or None."""
    values = attributes.get(tag, {}).get("Value") or [None]
    return values[0]


def _number(instance: StoredInstance) -> int:
    number = value(instance.attributes, "00200013")
    return number if isinstance(number, int) else 0


def _attributes(path: Path) -> Attributes:
    wanted = [int(tag, 16) for tag in (*STUDY_TAGS, *SERIES_TAGS, *INSTANCE_TAGS)]
    return to_json(dicomfile.read_header(path, wanted), inline_limit=1024)


def to_json(dataset: Any, *, inline_limit: int) -> Attributes:
    """Return a pydicom dataset as DICOM JSON, without broken elements and bulk values.

    So are numbers that JSON cannot say: one of them would make every answer with it unreadable.
    """
    document: Attributes = {}
    for tag in sorted(dataset.keys()):
        key = f"{int(tag):08X}"
        try:
            attribute = dataset[tag].to_json_dict(_no_bulk, inline_limit)
            document[key] = _without_escapes(jsontext.parse(json.dumps(attribute)))
        except Exception:  # a value that cannot be converted must not hide the other elements
            continue
    return document


def _without_escapes(value: Any) -> Any:
    if isinstance(value, str):
        return charsets.without_escapes(value)
    if isinstance(value, list):
        return [_without_escapes(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_escapes(item) for key, item in value.items()}
    return value


def _no_bulk(element: Any) -> str:
    return ""
