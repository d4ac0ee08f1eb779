"""The outputs of a run: DICOM objects at the receiver, objects in the bucket, reports on the results page."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from harness.checks import looks
from harness.checks.classes import RT_STRUCTURE_STORAGE
from harness.checks.reports import Report
from harness.errors import CheckError
from harness.wire.dicom import SEGMENTATION_CLASSES

if TYPE_CHECKING:
    from harness.checks.json_documents import JsonDocument
    from harness.checks.segmentation import Segmentation
    from harness.checks.structure_set import StructureSet
    from harness.checks.tables import Table
    from harness.data.series import Series

_Item = TypeVar("_Item")


@dataclasses.dataclass(frozen=True)
class SentObject:
    """A DICOM object that reached the platform's receiver; ``path`` is relative to ``directory``."""

    path: str
    sop_class: str
    sop_instance_uid: str
    series_instance_uid: str
    calling_ae: str
    called_ae: str
    directory: Path = dataclasses.field(repr=False, compare=False, default=Path())

    @property
    def file(self) -> Path:
        """The DICOM file as it came over the wire."""
        return self.directory / self.path

    def dataset(self) -> Any:
        """Return the object, read by pydicom."""
        import pydicom

        return pydicom.dcmread(self.file)


@dataclasses.dataclass(frozen=True)
class StoredObject:
    """An object that the run wrote to the project's bucket; ``path`` is relative to ``directory``."""

    bucket: str
    key: str
    size: int
    content_type: str
    path: str
    visible_in_results: bool
    directory: Path = dataclasses.field(repr=False, compare=False, default=Path())

    @property
    def file(self) -> Path:
        """The local copy."""
        return self.directory / self.path

    @property
    def data(self) -> bytes:
        """The content."""
        return self.file.read_bytes()

    def report(self) -> Report:
        """Return the content as a document."""
        return Report(self.key, self.data, self.file)

    def table(self, *, delimiter: str | None = None) -> Table:
        """Return the content of a CSV file.

        Args:
            delimiter: between cells; by default what is most frequent in the header.

        Raises:
            CheckError: it is not CSV.
        """
        from harness.checks.tables import read_csv

        return read_csv(self.data, self.key, delimiter=delimiter, file=self.file)

    def json(self) -> JsonDocument:
        """Return the content of a JSON file.

        Raises:
            CheckError: it is not JSON.
        """
        from harness.checks.json_documents import read_json

        return read_json(self.data, self.key, file=self.file)


class _Items(Sequence[_Item]):
    """A read-only sequence."""

    def __init__(self, items: Sequence[_Item]) -> None:
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: int) -> _Item: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[_Item]: ...

    def __getitem__(self, index: int | slice) -> _Item | Sequence[_Item]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._items == tuple(other)

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._items)!r})"


class SentObjects(_Items[SentObject]):
    """The DICOM objects that a run sent, in the order of arrival."""

    def __init__(self, items: Sequence[SentObject], sources: Sequence[Series] = ()) -> None:
        super().__init__(items)
        self._sources = tuple(sources)

    @property
    def sources(self) -> tuple[Series, ...]:
        """The series that may have been segmented: the run's input; none of a run that was read from disk."""
        return self._sources

    def segmentations(self) -> list[Segmentation]:
        """Return all segmentations that came."""
        from harness.checks.segmentation import Segmentation

        found = [item for item in self if item.sop_class in SEGMENTATION_CLASSES]
        return [Segmentation(item.file, sources=self._sources) for item in found]

    def segmentation(self) -> Segmentation:
        """Return the one segmentation that came.

        Raises:
            CheckError: none or several came; what came instead is listed.
        """
        self._refuse_unless_one(SEGMENTATION_CLASSES, "segmentation")
        return self.segmentations()[0]

    def structure_sets(self) -> list[StructureSet]:
        """Return all RT structure sets that came."""
        from harness.checks.structure_set import StructureSet

        found = [item for item in self if item.sop_class == RT_STRUCTURE_STORAGE]
        return [StructureSet(item.file, sources=self._sources) for item in found]

    def structure_set(self) -> StructureSet:
        """Return the one RT structure set that came.

        Raises:
            CheckError: none or several came; what came instead is listed.
        """
        self._refuse_unless_one({RT_STRUCTURE_STORAGE}, "RT structure set")
        return self.structure_sets()[0]

    def _refuse_unless_one(self, sop_classes: Collection[str], kind: str) -> None:
        count = sum(item.sop_class in sop_classes for item in self)
        if count != 1:
            raise CheckError(
                f"{count or 'no'} {kind}{'s' if count > 1 else ''} sent where exactly one is expected",
                last_seen="\n".join(_describe(item) for item in self) or "nothing was sent",
                evidence=str(self[0].file.parent) if len(self) else "",
            )


class StoredObjects(_Items[StoredObject]):
    """What a run wrote to the project's bucket, by position, or by key, file name or end of the path."""

    @overload
    def __getitem__(self, index: int) -> StoredObject: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[StoredObject]: ...

    @overload
    def __getitem__(self, index: str) -> StoredObject: ...

    def __getitem__(self, index: int | slice | str) -> StoredObject | Sequence[StoredObject]:
        """Return an object.

        Raises:
            CheckError: none has this key, or several end in it; all keys are listed.
        """
        if not isinstance(index, str):
            return super().__getitem__(index)
        found = [item for item in self if _ends(item.key, index)]
        if len(found) != 1:
            raise CheckError(
                f"{len(found)} objects end in {index!r}" if found else f"no object {index!r} was stored",
                last_seen="\n".join(f"{item.key} ({item.size} bytes)" for item in self) or "no object was stored",
                fix="name more of the path" if found else "",
            )
        return found[0]

    def __contains__(self, item: object) -> bool:
        return any(_ends(one.key, item) for one in self) if isinstance(item, str) else super().__contains__(item)


class Reports:
    """The documents that the platform's results page shows, by object key or its end."""

    def __init__(self, objects: Sequence[StoredObject]) -> None:
        self._objects = tuple(objects)

    @property
    def names(self) -> list[str]:
        """Keys of the documents on the results page (services 10.3)."""
        return [item.key for item in self._objects if item.visible_in_results]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(_ends(key, name) for key in self.names)

    def __getitem__(self, name: str) -> Report:
        """Return the document with this key, file name or end of the path.

        Raises:
            CheckError: there is none, several, or one that the results page does not show.
        """
        matching = [item for item in self._objects if _ends(item.key, name)]
        shown = [item for item in matching if item.visible_in_results]
        if len(shown) == 1:
            looks.note(looks.Look(shown[0].file, "reports", f"a document of {shown[0].size} bytes"))
            return shown[0].report()
        keys = "\n".join(f"{item.key} ({item.size} bytes)" for item in self._objects) or "no object was stored"
        if shown:
            raise CheckError(f"{len(shown)} reports end in {name!r}", last_seen=keys, fix="name more of the path")
        if matching:
            looks.note(looks.Look(matching[0].file, "reports", "NO: the results page does not show it"))
            raise CheckError(
                f"{matching[0].key} was stored, but the platform's results page does not show it",
                last_seen=keys,
                fix="the page lists .html files below staticwebsiteresults/ (not index.html): "
                'give MinioOperator minio_prefix="staticwebsiteresults" and whitelist .html',
            )
        raise CheckError(f"no report {name!r} was stored", last_seen=keys)

    def __repr__(self) -> str:
        return f"Reports({self.names!r})"


def _describe(item: SentObject) -> str:
    import pydicom

    name = pydicom.uid.UID(item.sop_class).name
    return f"{name} {item.sop_instance_uid} from {item.calling_ae} to {item.called_ae}: {item.path}"


def _ends(key: str, name: str) -> bool:
    return key == name or key.endswith("/" + name.lstrip("/"))
