"""Overlays on the slices of a source: segments with their colours, slice by slice, within bounds."""

from __future__ import annotations

import colorsys
import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from harness.geometry.grid import Grid
from harness.report.volume import UnshownError

Labels = NDArray[np.uint8]

MOST_SEGMENTS: Final = 250
MOST_LAYERS: Final = 10
"""Segments that may lie on one voxel."""

LARGEST_LAYERS: Final = 256 << 20
"""Bytes that the layers of one object may take in memory."""

# distinguishable with every kind of colour vision (Okabe and Ito)
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
        left_out: the omitted part, in words.
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


class OverlayBuilder:
    """Collects planes of segments on a grid.

    Args:
        grid: the grid of their slices.
        labels: of the segments.
    """

    def __init__(self, grid: Grid, labels: Sequence[str]) -> None:
        self.grid = grid
        self.segments = tuple(Segment(label, choose_colour(index)) for index, label in enumerate(labels))
        self.outside = 0
        self.covered = 0
        self._room = LARGEST_LAYERS
        self._slices: dict[int, list[Labels]] = {}
        self._area = grid.pixel_spacing[0] * grid.pixel_spacing[1] / 1000.0
        self._widths = grid.widths

    def add(self, segment: int, plane: NDArray[np.bool_], at: tuple[int, int, int]) -> None:
        """Add a plane of a segment with its first voxel at ``(slice, row, column)``; count voxels outside."""
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
        """Return the overlay of the voxels so far."""
        notes = [left_out] if left_out else []
        if self.outside:
            notes.append(f"{self.outside} voxels lie outside of the source")
        if self.covered:
            notes.append(f"{self.covered} voxels are not shown, more than {MOST_LAYERS} segments lie there")
        return Overlay(self.segments, self._slices, "; ".join(notes))


def choose_colour(index: int) -> str:
    """Return the colour of a segment; the first ones are distinguishable with every kind of colour vision."""
    if index < len(_COLOURS):
        return _COLOURS[index]
    # the golden ratio separates neighbours
    red, green, blue = colorsys.hls_to_rgb((0.13 + index * 0.618034) % 1.0, 0.42 + 0.12 * (index % 3), 0.75)
    return f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"
