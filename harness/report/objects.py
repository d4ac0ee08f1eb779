"""The DICOM objects that a run sent, each as a figure of the page."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pydicom
from numpy.typing import NDArray

from harness.checks.classes import ENCAPSULATED_PDF_STORAGE, RT_STRUCTURE_STORAGE
from harness.checks.structure_set import find_rt_source
from harness.errors import CheckError
from harness.report import content, inputs, segments, slice_choice, stills, structures, text, viewerdata, volume
from harness.report.figures import Figure, LegendEntry
from harness.report.overlay import Overlay
from harness.report.volume import Deadline, GreyVolume, UnshownError
from harness.wire.dicom import SEGMENTATION_CLASSES

if TYPE_CHECKING:
    from harness.data.series import Series
    from harness.report.outcomes import TestOutcome
    from harness.run.course import Course
    from harness.run.outputs import SentObject, SentObjects

MOST_FIGURES: Final = 40
MOST_VIEWERS: Final = 8
SECONDS: Final = 30.0
"""How long the pictures of one page may take."""

_FRAMES: Final = 9
_LONGEST_NOTE: Final = 500


class Sending(Protocol):
    """What was sent, with its copies in a folder: a run is one."""

    @property
    def directory(self) -> Path: ...

    @property
    def sent(self) -> SentObjects: ...


class Gallery:
    """Makes the figures of one page, and the data of its viewers.

    Args:
        run: the run of these objects.
        course: its course.
        tests: what tests asked about the objects.
    """

    def __init__(self, run: Sending, course: Course, tests: Sequence[TestOutcome]) -> None:
        self.data: dict[str, Any] = {}
        self._run = run
        self._course = course
        self._questions = [question for test in tests for question in test.looks]
        self._deadline = Deadline(SECONDS)
        self._volumes: dict[str, GreyVolume | UnshownError] = {}
        self._sources_left = viewerdata.LARGEST_SOURCES
        self._reductions: dict[str, viewerdata.Reduction] = {}
        self._found_sources: tuple[Series, ...] | None = None
        self._found_sent: tuple[Series, ...] | None = None

    def figures(self) -> list[Figure]:
        """Return a figure for each object; images of one series are one figure."""
        groups = [list(items) for _, items in itertools.groupby(_group(self._run.sent), key=_group_key)]
        return [self._figure(number, items) for number, items in enumerate(groups, 1)]

    def _figure(self, number: int, items: Sequence[SentObject]) -> Figure:
        item = items[0]
        kind = str(pydicom.uid.UID(item.sop_class).name)
        more = f", {len(items)} objects of one series" if len(items) > 1 else ""
        plain = Figure(f"sent{number}", item, item.sop_instance_uid, f"{kind}{more}")
        if number > MOST_FIGURES:
            return dataclasses.replace(plain, left_out=f"no picture: there are more than {MOST_FIGURES} objects")
        path = text.find_inside(self._run.directory, item.path)
        if path is None:
            return dataclasses.replace(plain, left_out="its copy is no longer in the evidence")
        try:
            self._deadline.check()
            return self._make(item)(plain, path, items)
        except UnshownError as error:
            return dataclasses.replace(plain, left_out=text.abbreviate(str(error), _LONGEST_NOTE))
        except Exception as error:  # an object that is made to do harm raises nearly anything, in all libraries
            logging.getLogger(__name__).debug("no picture of %s", item.path, exc_info=True)
            note = text.abbreviate(f"no picture: {type(error).__name__}: {error}", _LONGEST_NOTE)
            return dataclasses.replace(plain, left_out=note)

    def _make(self, item: SentObject) -> Callable[[Figure, Path, Sequence[SentObject]], Figure]:
        if item.sop_class in SEGMENTATION_CLASSES:
            return self._segmentation
        if item.sop_class == RT_STRUCTURE_STORAGE:
            return self._structures
        return self._add_other

    def _segmentation(self, figure: Figure, path: Path, items: Sequence[SentObject]) -> Figure:
        dataset = segments.read_segmentation(path)
        inner = segments.read_grid(dataset)
        labels = [str(item.get("SegmentLabel", "")) for item in dataset.get("SegmentSequence", [])]
        figure = dataclasses.replace(
            figure, title=str(dataset.get("SeriesDescription") or ", ".join(labels[:4]) or figure.title)
        )
        source = segments.find_source(dataset, self._sources)
        notes = [] if source else ["the series that it was made from is not among the input"]
        below = None
        if source is not None:
            try:
                below = self._volume(source)
                found = segments.lay_segmentation(dataset, inner, below.grid, self._deadline)
            except (UnshownError, CheckError) as error:
                # it can be shown without its source
                notes.append(error.cause if isinstance(error, CheckError) else str(error))
                below = None
        if below is None:
            below = volume.make_blank("the segmentation's own planes", inner)
            try:
                found = segments.lay_segmentation(dataset, inner, inner, self._deadline)
            except CheckError as error:
                raise UnshownError(error.cause) from None
        return self._layer(figure, below, found, notes, items[0].path)

    def _structures(self, figure: Figure, path: Path, items: Sequence[SentObject]) -> Figure:
        dataset = segments.read_segmentation(path)
        source = find_rt_source(dataset, self._sources)
        if source is None:
            raise UnshownError("no picture: the series that it belongs to is not among the input")
        below = self._volume(source)
        found = structures.lay_structures(dataset, below.grid, self._deadline)
        title = str(dataset.get("StructureSetLabel") or figure.title)
        return self._layer(dataclasses.replace(figure, title=title), below, found, [], items[0].path)

    def _layer(self, figure: Figure, below: GreyVolume, found: Overlay, notes: list[str], path: str) -> Figure:
        notes += [found.left_out] if found.left_out else []
        truths = self._truths(path, found, below, notes)
        focus = slice_choice.find_focus(found, below)
        compared = next(reversed(truths), None)
        show: dict[str, Any] = {"focus": list(focus)}
        if compared is None:
            still = stills.draw_planes(below, found, focus)
            caption = f"Slice {focus[0] + 1} of {below.grid.shape[0]} of {below.name}, and two planes across it"
            legend = tuple(
                LegendEntry(part.label, part.colour, f"{text.format_count(part.voxels, 'voxel')}, {part.ml:.1f} ml")
                for part in found.segments
            )
        else:
            segment = found.segments[compared].label
            index, mine, truth, differing = slice_choice.find_most_differing(found, truths[compared], compared, below)
            show = {"focus": [index, *slice_choice.find_middle(mine ^ truth)], "compare": compared}
            still = stills.draw_comparison(below, mine, truth, index)
            caption = (
                f"{segment} on slice {index + 1} of {below.grid.shape[0]} of {below.name}, where most voxels differ: "
                "the result, the truth, and both"
            )
            legend = (
                LegendEntry("in both", stills.BOTH),
                LegendEntry(
                    "only in the result",
                    stills.ONLY_RESULT,
                    f"{text.format_count(differing[0], 'voxel')} in all slices",
                ),
                LegendEntry(
                    "only in the truth", stills.ONLY_TRUTH, f"{text.format_count(differing[1], 'voxel')} in all slices"
                ),
            )
        figure = dataclasses.replace(
            figure,
            picture=stills.encode(still),
            thumbnail=stills.encode_small(still),
            alt=f"{caption}. {', '.join(part.label for part in found.segments)[:400]}",
            caption=f"{caption}; {below.window}",
            legend=legend[:60],
            show=show,
        )
        try:
            figure = dataclasses.replace(figure, viewer=self._viewer(figure.id, below, found, truths, notes))
        except UnshownError as error:
            notes.append(str(error))
        return dataclasses.replace(figure, left_out="; ".join(notes))

    def _viewer(
        self, name: str, below: GreyVolume, found: Overlay | None, truths: Mapping[int, Any], notes: list[str]
    ) -> str:
        """Put the data of a viewer into the page, and return its id."""
        if sum(key.startswith("viewer-") for key in self.data) >= MOST_VIEWERS:
            raise UnshownError(f"without a viewer: the page has {MOST_VIEWERS} of them already")
        key = f"slices-{below.name}-{id(below)}"
        if key not in self._reductions:
            # what others may still need is kept for them
            share = self._sources_left // max(1, len(self._sources) - len(self._reductions))
            encoded, self._reductions[key] = viewerdata.encode_source(below, share)
            self._sources_left -= sum(map(len, encoded["slices"]))
            self.data[f"slices-{len(self._reductions)}"] = encoded
        reduction = self._reductions[key]
        if reduction.words and reduction.words not in notes:
            notes.append(reduction.words)
        number = list(self._reductions).index(key) + 1
        layers: dict[str, Any] = {"segments": [], "layers": {}, "truths": {}}
        if found is not None:
            layers = viewerdata.encode_overlay(found, reduction, truths)
        self.data[f"viewer-{name}"] = {"source": f"slices-{number}", **layers}
        return f"viewer-{name}"

    def _truths(self, path: str, found: Overlay, below: GreyVolume, notes: list[str]) -> dict[int, NDArray[np.bool_]]:
        """Return the true masks that a test compared segments with, by segment; the last one comes last."""
        truths: dict[int, NDArray[np.bool_]] = {}
        labels = [part.label.casefold() for part in found.segments]
        for question in self._questions:
            if (
                question.path != path
                or question.truth is None
                or question.label is None
                or question.label.casefold() not in labels
            ):
                continue
            mask = slice_choice.read_truth(self._run.directory, question)
            if mask is None or mask.shape != below.grid.shape:
                notes.append(f"the truth of {question.label} cannot be shown on this grid")
                continue
            number = labels.index(question.label.casefold())
            truths.pop(number, None)
            truths[number] = mask
        return truths

    def _add_other(self, figure: Figure, path: Path, items: Sequence[SentObject]) -> Figure:
        series = next((one for one in self._sent if one.series_instance_uid == items[0].series_instance_uid), None)
        if series is not None and series.planes is not None and len(series.files) > 1:
            below = self._volume(series)
            focus = (below.shown[len(below.shown) // 2], below.grid.rows // 2, below.grid.columns // 2)
            still = stills.draw_planes(below, None, focus)
            notes: list[str] = []
            caption = f"Slice {focus[0] + 1} of {below.grid.shape[0]}, and two planes across it"
            figure = dataclasses.replace(
                figure,
                picture=stills.encode(still),
                thumbnail=stills.encode_small(still),
                alt=caption,
                caption=f"{caption}; {below.window}",
                show={"focus": list(focus)},
            )
            try:
                figure = dataclasses.replace(figure, viewer=self._viewer(figure.id, below, None, {}, notes))
            except UnshownError as error:
                notes.append(str(error))
            return dataclasses.replace(figure, left_out="; ".join(notes))
        dataset = segments.read_segmentation(path)
        title = str(dataset.get("DocumentTitle") or dataset.get("SeriesDescription") or figure.title)
        figure = dataclasses.replace(figure, title=title)
        if "ContentSequence" in dataset:
            return dataclasses.replace(figure, text=content.list_content(dataset))
        if figure.item.sop_class == ENCAPSULATED_PDF_STORAGE:
            length = len(dataset.get("EncapsulatedDocument", b""))
            return dataclasses.replace(figure, left_out=f"a PDF of {text.format_size(length)}: open the file")
        if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            return dataclasses.replace(figure, left_out="no picture: the object has no pixels")
        return self._frames(figure, dataset)

    def _frames(self, figure: Figure, dataset: Any) -> Figure:
        """Return a figure of the frames of one image, e.g. a secondary capture."""
        count = max(1, int(dataset.get("NumberOfFrames") or 1))
        chosen = sorted(
            {round(step * (count - 1) / max(1, min(count, _FRAMES) - 1)) for step in range(min(count, _FRAMES))}
        )
        pictures = []
        for index in chosen:
            self._deadline.check()
            pictures.append(volume.decode_picture(dataset, index))
        still = stills.draw_montage(pictures)
        caption = "The image" if count == 1 else f"Frames {', '.join(str(index + 1) for index in chosen)} of {count}"
        return dataclasses.replace(
            figure,
            picture=stills.encode(still),
            thumbnail=stills.encode_small(still),
            alt=f"{caption} of {figure.title}",
            caption=caption,
        )

    def _volume(self, series: Series) -> GreyVolume:
        uid = series.series_instance_uid
        if uid not in self._volumes:
            try:
                self._volumes[uid] = volume.read(series, self._deadline)
            except UnshownError as error:
                self._volumes[uid] = error
        found = self._volumes[uid]
        if isinstance(found, UnshownError):
            raise UnshownError(str(found))
        return found

    @property
    def _sources(self) -> tuple[Series, ...]:
        """The run's input, or the part that is still in its place."""
        if self._found_sources is None:
            self._found_sources = self._run.sent.sources or tuple(inputs.read_again(self._course))
        return self._found_sources

    @property
    def _sent(self) -> tuple[Series, ...]:
        """The sent objects as series; empty if a file is damaged or not an image."""
        if self._found_sent is None:
            self._found_sent = tuple(inputs.read_folders([self._run.directory / "sent"]))
        return self._found_sent


def _group(sent: Sequence[SentObject]) -> list[SentObject]:
    """Return the objects grouped by series, in the order of the first objects."""
    first: dict[tuple[str, ...], int] = {}
    for number, item in enumerate(sent):
        first.setdefault(_group_key(item), number)
    return sorted(sent, key=lambda item: first[_group_key(item)])


def _group_key(item: SentObject) -> tuple[str, ...]:
    name = str(pydicom.uid.UID(item.sop_class).name)
    # one image is a slice; other objects are separate
    slices = name.endswith("Image Storage") and "Secondary Capture" not in name
    return (item.sop_class, item.series_instance_uid) if slices else (item.sop_class, item.path)
