"""Pictures of what the receiver took, made as those of a report."""

from __future__ import annotations

import base64
import collections
import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.common.scratch import scratch_folder
from harness.page.facts import ShownSeries
from harness.report.figures import Figure
from harness.run.course import Course
from harness.run.outputs import SentObject, SentObjects
from harness.wire.receipts import ReceivedObject

if TYPE_CHECKING:
    from harness.data.series import Series

MOST_OBJECTS: Final = 600
_KEPT: Final = 24


@dataclasses.dataclass(frozen=True)
class Pictures:
    """The figures of one series, and the data of their viewers."""

    figures: tuple[Figure, ...] = ()
    viewers: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def thumbnail(self) -> bytes:
        """A small picture (JPEG); empty where nothing of the series can be drawn."""
        found = next((figure.thumbnail for figure in self.figures if figure.thumbnail), "")
        return base64.b64decode(found.partition(",")[2])


@dataclasses.dataclass(frozen=True)
class _Copies:
    """What a gallery needs of the objects: copies in a folder."""

    directory: Path
    sent: SentObjects


class PictureMaker:
    """Draws series; a few of them are kept. Safe to use from several threads, one draws at a time.

    Args:
        read: id of a receipt to the DICOM file.
        sources: returns the series that segmentations may have been made of.
        scratch: folder for copies, which are removed at once.
    """

    def __init__(self, read: Callable[[str], bytes], sources: Callable[[], Sequence[Series]], scratch: Path) -> None:
        self._read, self._sources, self._scratch = read, sources, scratch
        self._kept: collections.OrderedDict[tuple[Any, ...], Pictures] = collections.OrderedDict()
        self._lock = threading.Lock()

    def draw(self, series: ShownSeries) -> Pictures:
        """Return the pictures of a series."""
        sources = self._sources()
        receipts = series.receipts[:MOST_OBJECTS]
        key = tuple(receipt.id for receipt in receipts), tuple(source.series_instance_uid for source in sources)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._make(receipts, sources)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _make(self, receipts: Sequence[ReceivedObject], sources: Sequence[Series]) -> Pictures:
        from harness.report.objects import Gallery

        with scratch_folder(self._scratch) as folder:
            (folder / "sent").mkdir()
            items = [_copy(folder, number, receipt, self._read(receipt.id)) for number, receipt in enumerate(receipts)]
            gallery = Gallery(_Copies(folder, SentObjects(items, sources)), Course(), ())
            return Pictures(tuple(gallery.figures()), gallery.data)


def _copy(folder: Path, number: int, receipt: ReceivedObject, content: bytes) -> SentObject:
    path = f"sent/{number}.dcm"
    (folder / path).write_bytes(content)
    return SentObject(
        path=path,
        sop_class=receipt.sop_class,
        sop_instance_uid=receipt.sop_instance_uid,
        series_instance_uid=receipt.series_instance_uid,
        calling_ae=receipt.calling_ae,
        called_ae=receipt.called_ae,
        directory=folder,
    )
