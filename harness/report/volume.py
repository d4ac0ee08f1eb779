"""The grey values of a series for display: windowed to 256 levels, at the position of each slice."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray

from harness.geometry.grid import Grid

if TYPE_CHECKING:
    from harness.data.series import Series

Grey = NDArray[np.uint8]

LARGEST_FRAME: Final = 16 << 20
"""Pixels of one image; what says that it has more is not decoded."""

LARGEST: Final = 160 << 20
"""Voxels of one volume; of a larger one every second, third, ... slice is read."""

_SAMPLED: Final = 12
_PERCENTILES: Final = (1.0, 99.5)


class UnshownError(Exception):
    """Something cannot be shown; the text says why, for the reader of the page."""


class Deadline:
    """How long the pictures of one page may take.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._seconds = seconds

    def check(self) -> None:
        """Check that time is left for more pictures.

        Raises:
            UnshownError: the time is over.
        """
        if time.monotonic() > self._until:
            raise UnshownError(f"left out: the pictures of this page had taken {self._seconds:g} s already")


@dataclasses.dataclass(frozen=True)
class GreyVolume:
    """A series as grey values.

    Args:
        name: of the series, for captions.
        pixels: ``(slice, row, column)`` of the slices that were read.
        grid: where all slices lie.
        window: the values that are shown as black and white, and their origin.
        step: every so manyth slice was read.
    """

    name: str
    pixels: Grey
    grid: Grid
    window: str
    step: int = 1

    @property
    def shown(self) -> range:
        """The slices that were read."""
        return range(0, self.grid.shape[0], self.step)

    def slice(self, index: int) -> Grey:
        """Return the slice with this index, or the one before it that was read."""
        found: Grey = self.pixels[index // self.step]
        return found


@dataclasses.dataclass(frozen=True)
class Window:
    """The values that are shown as black and as white."""

    low: float
    high: float
    words: str
    inverted: bool = False

    def apply(self, values: NDArray[Any]) -> Grey:
        """Return values as grey levels."""
        scaled = (values.astype(np.float32) - self.low) * (255.0 / (self.high - self.low))
        grey = np.clip(np.nan_to_num(scaled), 0, 255).astype(np.uint8)
        found: Grey = 255 - grey if self.inverted else grey
        return found


def read(series: Series, deadline: Deadline) -> GreyVolume:
    """Return the grey values of a series.

    Raises:
        UnshownError: its images are not slices of one size at known places, or cannot be decoded.
    """
    grid = series.planes
    if grid is None:
        why = series.problems[0].text if series.problems else "it has no geometry"
        raise UnshownError(f"the source {series.name} is not a volume: {why}")
    count, rows, columns = grid.shape
    if len(series.files) != count:
        raise UnshownError(f"the source {series.name} has several images in a file")
    step = max(1, math.ceil(count * rows * columns / LARGEST))
    chosen = range(0, count, step)
    files = [series.files[index] for index in chosen]
    window = choose_window(files, deadline)
    pixels: Grey = np.zeros((len(files), rows, columns), np.uint8)
    for index, (_, values) in enumerate(_images(files, deadline)):
        if values.shape != (rows, columns):
            raise UnshownError(f"{files[index].name} has {values.shape} pixels where {(rows, columns)} are expected")
        pixels[index] = window.apply(values)
    return GreyVolume(series.name, pixels, grid, window.words, step)


def make_blank(name: str, grid: Grid) -> GreyVolume:
    """Return a black volume, for overlays without a source.

    Raises:
        UnshownError: the grid has too many voxels.
    """
    count, rows, columns = grid.shape
    if count * rows * columns > LARGEST:
        raise UnshownError(f"it has {count} x {rows} x {columns} voxels and no source")
    return GreyVolume(name, np.zeros(grid.shape, np.uint8), grid, "without its source")


def choose_window(files: Sequence[Path], deadline: Deadline) -> Window:
    """Return the window of the middle image, or percentiles of a few images if it has none."""
    middle = files[len(files) // 2]
    (dataset, values), *_ = _images([middle], deadline)
    inverted = str(dataset.get("PhotometricInterpretation", "")) == "MONOCHROME1"

    def sampled() -> NDArray[Any]:
        chosen = files[:: max(1, len(files) // _SAMPLED)]
        return np.concatenate(
            [values[::4, ::4].ravel(), *(one[::4, ::4].ravel() for _, one in _images(chosen, deadline))]
        )

    return _read_window(dataset, inverted, sampled)


def _read_window(dataset: Any, inverted: bool, sampled: Callable[[], NDArray[Any]]) -> Window:
    centre, width = _number(dataset.get("WindowCenter")), _number(dataset.get("WindowWidth"))
    if centre is not None and width is not None and width >= 1:
        words = f"window {centre:g} \u00b1 {width / 2:g} of the DICOM"
        return Window(centre - width / 2, centre + width / 2, words, inverted)
    return choose_percentiles(sampled(), inverted=inverted)


def choose_percentiles(values: NDArray[Any], *, inverted: bool = False) -> Window:
    """Return a window between two percentiles of values that are not background."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise UnshownError("it has no finite value")
    inner = finite[finite != finite.min()]
    low, high = (float(value) for value in np.percentile(inner if inner.size else finite, _PERCENTILES))
    low = min(low, float(finite.min())) if inner.size < finite.size / 20 else low
    return Window(low, max(high, low + 1e-6), f"window {low:.4g} to {high:.4g}, by percentiles", inverted)


def decode_values(dataset: Any, frame: int = 0) -> NDArray[Any]:
    """Return the values of one frame of an image, rescaled; colours become brightness.

    Raises:
        UnshownError: it is too large, or cannot be decoded.
    """
    from pydicom.pixels.processing import apply_rescale

    try:
        values = np.asarray(apply_rescale(_decode(dataset, frame), dataset))
    except (TypeError, ValueError, AttributeError) as error:
        raise UnshownError(f"its values cannot be rescaled: {error}") from None
    if values.ndim == 3:
        values = values[..., :3].mean(axis=-1)
    if values.ndim != 2:
        raise UnshownError(f"its pixels have {values.ndim} dimensions")
    return values


def _decode(dataset: Any, frame: int) -> NDArray[Any]:
    from pydicom.pixels.utils import pixel_array

    rows, columns = dataset.get("Rows"), dataset.get("Columns")
    if not 0 < int(rows or 0) * int(columns or 0) <= LARGEST_FRAME:
        raise UnshownError(f"an image has {rows} x {columns} pixels")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(pixel_array(dataset, index=frame))
    except Exception as error:  # whatever a damaged object raises
        raise UnshownError(f"its pixels cannot be read: {type(error).__name__}: {error}") from None


def decode_picture(dataset: Any, frame: int) -> NDArray[np.uint8]:
    """Return one frame for display: colours unchanged, values windowed.

    Raises:
        UnshownError: it cannot be decoded.
    """
    if int(dataset.get("SamplesPerPixel") or 1) == 3 and int(dataset.get("BitsAllocated") or 0) == 8:
        # YBR is made RGB by the decoder
        pixels = _decode(dataset, frame)
        if pixels.ndim == 3 and pixels.shape[-1] == 3:
            return pixels.astype(np.uint8)
    values = decode_values(dataset, frame)
    inverted = str(dataset.get("PhotometricInterpretation", "")) == "MONOCHROME1"
    if int(dataset.get("BitsStored") or 0) == 8 and "WindowCenter" not in dataset:
        return Window(0, 255, "as stored", inverted).apply(values)
    return _read_window(dataset, inverted, lambda: values.ravel()).apply(values)


def _images(files: Sequence[Path], deadline: Deadline) -> Iterator[tuple[Any, NDArray[Any]]]:
    for file in files:
        deadline.check()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset = pydicom.dcmread(file)
        except Exception as error:  # a parser on foreign bytes raises nearly anything
            raise UnshownError(f"{file.name} cannot be read: {type(error).__name__}: {error}") from None
        yield dataset, decode_values(dataset)


def _number(value: Any) -> float | None:
    """Return the first of one or several numbers, ``None`` if it is not finite."""
    try:
        first = float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)
    except (TypeError, ValueError, IndexError):
        return None
    return first if math.isfinite(first) else None
