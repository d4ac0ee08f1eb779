"""What lies on the slices of a source: the segments of a SEG, slice by slice."""

from __future__ import annotations

import colorsys
import dataclasses
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray

from harness.checks.dicom import placement
from harness.checks.segmentation import frame_groups, group_item, read_references, segment_number
from harness.checks.segmentation_rules import is_label_map
from harness.errors import CheckError
from harness.geometry.grid import SAME_PLACE, Grid, dot, vector
from harness.report.volume import LARGEST_FRAME, Deadline, UnshownError

if TYPE_CHECKING:
    from harness.data.series import Series

Labels = NDArray[np.uint8]

MOST_SEGMENTS: Final = 250
MOST_FRAMES: Final = 20_000
MOST_LAYERS: Final = 10
"""Segments that may lie on one voxel."""

LARGEST_LAYERS: Final = 256 << 20
"""Bytes that the layers of one object may take in memory."""

LARGEST_FILE: Final = 512 << 20
# told apart with each kind of colour vision (Okabe and Ito)
_COLOURS: Final = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2")


@dataclasses.dataclass
class Segment:
    """One segment: its value in the layers is its index plus one."""

    label: str
    colour: str
    voxels: int = 0
    ml: float = 0.0


@dataclasses.dataclass(frozen=True)
class Overlay:
    """Segments on the slices of a grid.

    Args:
        segments: in the order of their numbers.
        slices: by index of the slice, layers of values; a second layer is there where segments overlap.
        left_out: what is not shown of it, in words.
    """

    segments: tuple[Segment, ...]
    slices: dict[int, list[Labels]]
    left_out: str = ""

    def mask(self, index: int, segment: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the voxels of a segment on one slice."""
        found = np.zeros(shape, np.bool_)
        for layer in self.slices.get(index, ()):
            found |= layer == segment + 1
        return found


class Builder:
    """Collects planes of segments on a grid.

    Args:
        grid: whose slices they lie on.
        labels: of the segments.
    """

    def __init__(self, grid: Grid, labels: Sequence[str]) -> None:
        self.grid = grid
        self.segments = tuple(Segment(label, colour(index)) for index, label in enumerate(labels))
        self.outside = 0
        self.covered = 0
        self._room = LARGEST_LAYERS
        self._slices: dict[int, list[Labels]] = {}
        self._area = grid.pixel_spacing[0] * grid.pixel_spacing[1] / 1000.0
        self._widths = grid.widths

    def add(self, segment: int, plane: NDArray[np.bool_], at: tuple[int, int, int]) -> None:
        """Put a plane of a segment with its first voxel at ``(slice, row, column)``; what lies outside is counted."""
        count, rows, columns = self.grid.shape
        voxels = int(np.count_nonzero(plane))
        if not voxels:
            return
        top, left = max(0, at[1]), max(0, at[2])
        inner = plane[top - at[1] : max(0, rows - at[1]), left - at[2] : max(0, columns - at[2])]
        kept = int(np.count_nonzero(inner)) if 0 <= at[0] < count else 0
        self.outside += voxels - kept
        if not kept:
            return
        target = (slice(top, top + inner.shape[0]), slice(left, left + inner.shape[1]))
        layers = self._slices.setdefault(at[0], [])
        free = next((layer for layer in layers if not layer[target][inner].any()), None)
        if free is None:
            if len(layers) == MOST_LAYERS:
                self.covered += kept
                return
            self._room -= rows * columns
            if self._room < 0:
                raise UnshownError("it has too many voxels for a picture")
            layers.append(free := np.zeros((rows, columns), np.uint8))
        free[target][inner] = segment + 1
        entry = self.segments[segment]
        entry.voxels += kept
        entry.ml += kept * self._area * self._widths[at[0]]

    def result(self, left_out: str = "") -> Overlay:
        """Return what was collected."""
        notes = [left_out] if left_out else []
        if self.outside:
            notes.append(f"{self.outside} voxels lie outside of the source")
        if self.covered:
            notes.append(f"{self.covered} voxels are not shown, more than {MOST_LAYERS} segments lie there")
        return Overlay(self.segments, self._slices, "; ".join(notes))


def colour(index: int) -> str:
    """Return the colour of a segment; the first ones are told apart with each kind of colour vision."""
    if index < len(_COLOURS):
        return _COLOURS[index]
    # the golden ratio keeps neighbours apart
    red, green, blue = colorsys.hls_to_rgb((0.13 + index * 0.618034) % 1.0, 0.42 + 0.12 * (index % 3), 0.75)
    return f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"


def read_segmentation(path: Path) -> Any:
    """Return the dataset of a SEG.

    Raises:
        UnshownError: it is too large, or cannot be read.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise UnshownError(f"the file has more than {LARGEST_FILE >> 20} MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if _is_deflated(path) and _inflated(path) > LARGEST_FILE:
                raise UnshownError(f"it becomes more than {LARGEST_FILE >> 20} MiB when it is inflated")
            return pydicom.dcmread(path)
    except UnshownError:
        raise
    except Exception as error:  # a parser on foreign bytes raises nearly anything
        raise UnshownError(f"it cannot be read as DICOM: {type(error).__name__}: {error}") from None


def _is_deflated(path: Path) -> bool:
    meta = pydicom.filereader.read_file_meta_info(path)
    return bool(meta.get("TransferSyntaxUID") == pydicom.uid.DeflatedExplicitVRLittleEndian)


def _inflated(path: Path) -> int:
    """Return the size of a deflated file, or more than the largest one, without having it in memory."""
    inflating, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with path.open("rb") as file:
        # preamble, and the meta header, whose length is its first element
        head = file.read(144)
        file.seek(144 + int.from_bytes(head[140:144], "little"))
        while (data := file.read(1 << 20)) and total <= LARGEST_FILE:
            # behind its end a stream returns what it is given again and again
            while data and not inflating.eof and total <= LARGEST_FILE:
                total += len(inflating.decompress(data, 1 << 20))
                data = inflating.unconsumed_tail
    return total


def source_of(dataset: Any, sources: Sequence[Series]) -> Series | None:
    """Return the series that a SEG says it was made from."""
    uids, _ = read_references(dataset)
    return next((series for series in sources if series.series_instance_uid in uids), None)


def own_grid(dataset: Any) -> Grid:
    """Return a grid of the planes on which a SEG has frames, and of no others.

    A file may say that its frames are a kilometre apart: planes between them are not made.

    Raises:
        UnshownError: it does not say where its frames are.
    """
    try:
        shared, frames = _frames(dataset)
        orientation = [
            float(part) for part in _group(frames[0], shared, "PlaneOrientationSequence").ImageOrientationPatient
        ]
        measures = _group(frames[0], shared, "PixelMeasuresSequence")
        rows_apart, columns_apart = (float(part) for part in measures.PixelSpacing)
        row, column = vector(orientation[:3]), vector(orientation[3:])
        grid = Grid(int(dataset.Rows), int(dataset.Columns), (rows_apart, columns_apart), row, column, ())
        places = {}
        for frame in frames:
            origin = vector(_group(frame, shared, "PlanePositionSequence").ImagePositionPatient)
            places[round(dot(origin, grid.normal) / SAME_PLACE)] = origin
        return dataclasses.replace(
            grid,
            origins=tuple(places[key] for key in sorted(places)),
            thickness=float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1.0),
        )
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise UnshownError(f"it does not say where its frames are: {type(error).__name__}: {error}") from None


def of_segmentation(dataset: Any, inner: Grid, grid: Grid, deadline: Deadline) -> Overlay:
    """Return the segments of a SEG on the slices of a grid.

    Args:
        dataset: the SEG.
        inner: :func:`own_grid` of it.
        grid: that of its source, or its own.
        deadline: of the page.

    Raises:
        UnshownError: it cannot be decoded.
        CheckError: its voxels are not those of the grid.
    """
    items = list(dataset.get("SegmentSequence", []))
    numbered = []
    for item in items:
        number = _integer(item.get("SegmentNumber"))
        if number is not None and (number != 0 or not is_label_map(dataset)):
            numbered.append((number, str(item.get("SegmentLabel", "")) or f"segment {number}"))
    numbered.sort()
    shown = numbered[:MOST_SEGMENTS]
    builder = Builder(grid, [label for _, label in shown])
    places = {number: index for index, (number, _) in enumerate(shown)}
    shared, frames = _frames(dataset)
    plane_of = _decoder(dataset)
    known: dict[tuple[float, ...], tuple[int, int, int]] = {}
    for index, frame in enumerate(frames):
        deadline.check()
        plane = plane_of(index)
        if not plane.any():
            continue
        origin = vector(_group(frame, shared, "PlanePositionSequence").ImagePositionPatient)
        if origin not in known:
            known[origin] = placement(origin, inner, grid)
        for number, part in _parts(dataset, plane, frame, shared):
            if number in places:
                builder.add(places[number], part, known[origin])
    more = len(numbered) - len(shown)
    return builder.result(f"{more} more segments are not shown" if more > 0 else "")


def _parts(dataset: Any, plane: NDArray[Any], frame: Any, shared: Any) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield the segments of a frame with their voxels."""
    if is_label_map(dataset):
        for value in np.unique(plane):
            if value:
                yield int(value), plane == value
        return
    try:
        number = segment_number(frame, shared)
    except (TypeError, ValueError, AttributeError):
        raise UnshownError("a frame does not say which segment it belongs to") from None
    if str(dataset.get("SegmentationType", "BINARY")) == "FRACTIONAL":
        yield number, plane >= 0.5 * (_integer(dataset.get("MaximumFractionalValue")) or 255)
    else:
        yield number, plane != 0


def _decoder(dataset: Any) -> Callable[[int], NDArray[Any]]:
    """Return what decodes one frame, so that no more than one is in memory."""
    from pydicom.pixels.utils import pixel_array, unpack_bits

    rows, columns = _integer(dataset.get("Rows")) or 0, _integer(dataset.get("Columns")) or 0
    area = rows * columns
    if not 0 < area <= LARGEST_FRAME:
        raise UnshownError(f"its frames have {rows} x {columns} pixels")
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    packed = _integer(dataset.get("BitsAllocated")) == 1 and (syntax is None or not syntax.is_encapsulated)

    def unpacked(index: int) -> NDArray[Any]:
        # frames follow each other without padding, so that one may begin inside of a byte
        begin, end = index * area, (index + 1) * area
        data = dataset.PixelData[begin // 8 : (end + 7) // 8]
        bits = np.asarray(unpack_bits(data))[begin % 8 : begin % 8 + area]
        return bits.reshape(rows, columns)

    def decoded(index: int) -> NDArray[Any]:
        return np.asarray(pixel_array(dataset, index=index))

    def plane(index: int) -> NDArray[Any]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = unpacked(index) if packed else decoded(index)
        except Exception as error:  # whatever a damaged object raises
            raise UnshownError(f"its pixels cannot be read: {type(error).__name__}: {error}") from None
        if found.shape != (rows, columns):
            raise UnshownError(f"frame {index + 1} is not an image of {rows} x {columns} pixels")
        return found

    return plane


def _frames(dataset: Any) -> tuple[Any, list[Any]]:
    try:
        shared, frames = frame_groups(dataset)
    except CheckError as error:
        raise UnshownError(error.cause) from None
    if len(frames) > MOST_FRAMES:
        raise UnshownError(f"it has {len(frames)} frames")
    return shared, frames


def _group(frame: Any, shared: Any, name: str) -> Any:
    try:
        return group_item(frame, shared, name)
    except CheckError as error:
        raise UnshownError(error.cause) from None


def _integer(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None
