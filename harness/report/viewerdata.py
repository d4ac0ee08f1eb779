"""The data of a viewer: the slices of a source, once, and their overlays, small enough for a page.

Grey values may lose invisible detail; masks never lose a voxel.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.report import text
from harness.report.directions import find_edges
from harness.report.overlay import Overlay
from harness.report.stills import is_upright
from harness.report.volume import Grey, GreyVolume, UnshownError

LARGEST_SOURCES: Final = 3_300_000
"""Characters that the slices of all sources of a page may take."""

LARGEST_OVERLAY: Final = 1_000_000
_LARGEST_SIDE: Final = 512
_MOST_SLICES: Final = 400
_QUALITIES: Final = (85, 75, 65, 55, 45, 35, 25)
_SAMPLED: Final = 5
# what an estimate by samples may be wrong by
_MARGIN: Final = 0.95


class Reduction:
    """How a volume is made smaller for the viewer.

    Args:
        volume: the volume.
        factor: voxels of a row and of a column that become one.
        every: every so manyth slice is taken.
    """

    def __init__(self, volume: GreyVolume, factor: int, every: int) -> None:
        self.volume, self.factor, self.every = volume, factor, every

    @property
    def slices(self) -> range:
        """Indices of the slices, in the series."""
        return self.volume.shown[:: self.every]

    def grey(self, index: int) -> Grey:
        """Return a slice; several voxels become their mean."""
        pixels = self.volume.slice(index)
        if self.factor == 1:
            return pixels
        return np.asarray(Image.fromarray(pixels).reduce(self.factor))

    def labels(self, layer: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a layer; several voxels become the highest value, so that no voxel vanishes."""
        if self.factor == 1:
            return layer
        rows, columns = (math.ceil(size / self.factor) for size in layer.shape)
        padded = np.zeros((rows * self.factor, columns * self.factor), np.uint8)
        padded[: layer.shape[0], : layer.shape[1]] = layer
        found: NDArray[np.uint8] = padded.reshape(rows, self.factor, columns, self.factor).max(axis=(1, 3))
        return found

    @property
    def words(self) -> str:
        """What the viewer does not show; empty where it shows everything."""
        parts = []
        step = self.volume.step * self.every
        if step > 1:
            parts.append(f"every {step}th slice")
        if self.factor > 1:
            parts.append(f"one of {self.factor} x {self.factor} voxels of a slice")
        return f"the viewer shows {' and '.join(parts)}" if parts else ""


def reduce(volume: GreyVolume) -> Reduction:
    """Return the reduction that makes the volume small enough for a viewer."""
    _, rows, columns = volume.grid.shape
    factor = max(1, math.ceil(max(rows, columns) / _LARGEST_SIDE))
    return Reduction(volume, factor, max(1, math.ceil(len(volume.shown) / _MOST_SLICES)))


def encode_source(volume: GreyVolume, room: int) -> tuple[dict[str, Any], Reduction]:
    """Return the slices of a source for the viewer, in at most ``room`` characters.

    Raises:
        UnshownError: not even a coarse version fits.
    """
    reduction = reduce(volume)
    for factor in (reduction.factor, reduction.factor * 2, reduction.factor * 4):
        tried = Reduction(volume, factor, reduction.every)
        encode = _choose_encoding(tried, room * _MARGIN)
        if encode is None:
            continue
        slices = [encode(tried.grey(index)) for index in tried.slices]
        if sum(map(len, slices)) <= room:
            return _describe(tried, slices), tried
    raise UnshownError(f"the viewer is left out: the slices of {volume.name} are too large for a page")


def _describe(reduction: Reduction, slices: list[str]) -> dict[str, Any]:
    volume = reduction.volume
    rows, columns = reduction.grey(0).shape
    step = volume.step * reduction.every
    factor = reduction.factor
    return {
        "name": volume.name,
        "window": volume.window,
        "size": [len(slices), rows, columns],
        "spacing": [
            volume.grid.spacing * step,
            volume.grid.pixel_spacing[0] * factor,
            volume.grid.pixel_spacing[1] * factor,
        ],
        "step": [step, factor],
        "total": volume.grid.shape[0],
        "upright": is_upright(volume),
        "planes": name_planes(volume),
        "edges": [dataclasses.asdict(edges) for edges in find_edges(volume.grid, upright=is_upright(volume))],
        "slices": slices,
    }


def name_planes(volume: GreyVolume) -> list[str]:
    """Return the names of the planes: of the slices, and across rows and columns."""
    names = ("sagittal", "coronal", "axial")
    axes = (volume.grid.normal, volume.grid.column_direction, volume.grid.row_direction)
    found = [names[max(range(3), key=lambda part: abs(axis[part]))] for axis in axes]
    return found if len(set(found)) == 3 else ["slices", "across rows", "across columns"]


def encode_overlay(found: Overlay, reduction: Reduction, truths: Mapping[int, NDArray[np.bool_]]) -> dict[str, Any]:
    """Return the overlays of the slices, for the viewer.

    Args:
        found: the segments.
        reduction: of the source.
        truths: by segment, its true mask as ``(slice, row, column)``.

    Raises:
        UnshownError: it is too large for a page.
    """
    room = LARGEST_OVERLAY
    layers: dict[str, list[str]] = {}
    for at, index in enumerate(reduction.slices):
        if index in found.slices:
            encoded = [_png(reduction.labels(layer)) for layer in found.slices[index]]
            room -= sum(map(len, encoded))
            layers[str(at)] = encoded
        if room < 0:
            raise UnshownError("the viewer is left out: what lies on the slices is too large for a page")
    true = {}
    for segment, slices in truths.items():
        masks = {}
        for at, index in enumerate(reduction.slices):
            if slices[index].any():
                masks[str(at)] = _png(reduction.labels(slices[index].astype(np.uint8)))
                room -= len(masks[str(at)])
        if room < 0:
            raise UnshownError("the viewer is left out: what lies on the slices is too large for a page")
        true[str(segment)] = masks
    segments = [
        {"label": text.escape_unseen(part.label), "colour": part.colour, "voxels": part.voxels}
        for part in found.segments
    ]
    return {"segments": segments, "layers": layers, "truths": true}


def _choose_encoding(reduction: Reduction, room: float) -> Callable[[Grey], str] | None:
    """Return the best encoding of the slices that fits, or ``None``."""
    slices = reduction.slices
    sampled = [reduction.grey(index) for index in slices[:: max(1, len(slices) // _SAMPLED)]]
    ways: list[Callable[[Grey], str]] = [_png]
    ways += [lambda pixels, quality=quality: _jpeg(pixels, quality) for quality in _QUALITIES]  # type: ignore[misc]
    for encode in ways:
        if sum(len(encode(pixels)) for pixels in sampled) / len(sampled) * len(slices) <= room:
            return encode
    return None


def _png(pixels: NDArray[np.uint8]) -> str:
    return _encode(pixels, "PNG", compress_level=6)


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> str:
    return _encode(pixels, "JPEG", quality=quality)


def _encode(pixels: NDArray[np.uint8], kind: str, **how: Any) -> str:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, kind, **how)
    return base64.b64encode(stream.getvalue()).decode("ascii")
