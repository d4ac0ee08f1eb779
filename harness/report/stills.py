"""Pictures of the page without script: three planes with their overlays, or a comparison with a ground truth."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from harness.report.directions import Edges, find_edges
from harness.report.overlay import Overlay
from harness.report.volume import Grey, GreyVolume

ONLY_RESULT, ONLY_TRUTH, BOTH = "#D55E00", "#56B4E9", "#009E73"
"""Colours of a comparison, distinguishable with every kind of colour vision."""

_OPACITY: Final = 0.5
_HEIGHT: Final = 440
_WIDEST: Final = 1400
_GAP: Final = 4
_QUALITY: Final = 90
_LETTER: Final = 14
_THUMBNAIL: Final = (320, 224)

Colours = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def draw_planes(volume: GreyVolume, overlay: Overlay | None, focus: tuple[int, int, int]) -> Image.Image:
    """Return the three planes through a voxel, in the proportions of the patient."""
    index, row, column = focus
    across = volume.grid.spacing * volume.step
    rows_apart, columns_apart = volume.grid.pixel_spacing
    planes = (
        _scale(_paint(volume, overlay, index), rows_apart, columns_apart),
        _scale(_across(volume, overlay, (slice(None), row)), across, columns_apart),
        _scale(_across(volume, overlay, (slice(None), slice(None), column)), across, rows_apart),
    )
    edges = find_edges(volume.grid, upright=is_upright(volume))
    return _join([_add_letters(plane, sides) for plane, sides in zip(planes, edges, strict=True)])


def draw_comparison(volume: GreyVolume, mine: Mask, truth: Mask, index: int) -> Image.Image:
    """Return one slice three times: the result, the truth, and where they differ."""
    grey = _colours(volume.slice(index))
    result = _tint(grey, [(mine, BOTH)])
    expected = _tint(grey, [(truth, BOTH)])
    differing = _tint(grey, [(mine & truth, BOTH), (mine & ~truth, ONLY_RESULT), (truth & ~mine, ONLY_TRUTH)], 0.75)
    rows_apart, columns_apart = volume.grid.pixel_spacing
    sides, *_ = find_edges(volume.grid, upright=is_upright(volume))
    parts = (_scale(part, rows_apart, columns_apart) for part in (result, expected, differing))
    return _join([_add_letters(part, sides) for part in parts])


def draw_montage(frames: Sequence[Grey | Colours]) -> Image.Image:
    """Return pictures side by side, at most three in a row."""
    parts = [Image.fromarray(frame).convert("RGB") for frame in frames]
    for part in parts:
        part.thumbnail((_HEIGHT * 2 // min(len(parts), 2), _HEIGHT * 2 // min(len(parts), 2)))
    rows = [_join(parts[begin : begin + 3]) for begin in range(0, len(parts), 3)]
    width, height = max(row.width for row in rows), sum(row.height + _GAP for row in rows) - _GAP
    whole, top = Image.new("RGB", (width, height)), 0
    for row in rows:
        whole.paste(row, (0, top))
        top += row.height + _GAP
    return whole


def is_upright(volume: GreyVolume) -> bool:
    """Return whether slices ascend to the head, so that planes across them are turned to show it on top."""
    return bool(volume.grid.normal[2] > 0.5)


def encode(image: Image.Image) -> str:
    """Return a picture as an address that holds it; fine enough that a single voxel keeps its colour."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def encode_small(image: Image.Image) -> str:
    """Return a small picture as an address that holds it."""
    small = image.copy()
    small.thumbnail(_THUMBNAIL)
    return encode(small)


def _paint(volume: GreyVolume, overlay: Overlay | None, index: int) -> Colours:
    grey = _colours(volume.slice(index))
    layers = overlay.slices.get(index, []) if overlay else []
    return _tint(grey, _masks(overlay, layers))


def _across(volume: GreyVolume, overlay: Overlay | None, cut: tuple[Any, ...]) -> Colours:
    """Return a plane across the slices: ``cut`` is its index into ``(slice, row, column)``."""
    grey = volume.pixels[cut]
    depth = max((len(layers) for layers in overlay.slices.values()), default=0) if overlay else 0
    flat = [np.zeros_like(grey) for _ in range(depth)]
    if overlay:
        for at, index in enumerate(volume.shown):
            for plane, layer in zip(flat, overlay.slices.get(index, []), strict=False):
                plane[at] = layer[cut[1:]]
    painted = _tint(_colours(grey), _masks(overlay, flat))
    return painted[::-1] if is_upright(volume) else painted


def _masks(overlay: Overlay | None, layers: Sequence[Any]) -> list[tuple[Mask, str]]:
    if overlay is None:
        return []
    # values are indices plus one; 0 is the background
    return [
        (layer == value, overlay.segments[value - 1].colour)
        for layer in layers
        for value in np.unique(layer).tolist()
        if value
    ]


def _colours(grey: Grey) -> Colours:
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def _tint(grey: Colours, masks: Sequence[tuple[Mask, str]], opacity: float = _OPACITY) -> Colours:
    """Return colours over a picture; outlines are opaque, so that a single voxel is visible."""
    found = grey.astype(np.float32)
    for mask, shade in masks:
        if not mask.any():
            continue
        tint = np.array([int(shade[at : at + 2], 16) for at in (1, 3, 5)], np.float32)
        found[mask] = found[mask] * (1 - opacity) + tint * opacity
        found[_edge(mask)] = tint
    return found.astype(np.uint8)


def _edge(mask: Mask) -> Mask:
    inner = mask.copy()
    for axis in (0, 1):
        for step in (1, -1):
            moved = np.roll(mask, step, axis)
            moved[(0 if step == 1 else -1,) if axis == 0 else (slice(None), 0 if step == 1 else -1)] = False
            inner &= moved
    outline: Mask = mask & ~inner
    return outline


def _scale(picture: Any, down: float, across: float) -> Image.Image:
    height, width = picture.shape[0] * down, picture.shape[1] * across
    factor = min(_HEIGHT / height, _WIDEST / 2 / width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    # an enlarged voxel keeps its edges; no voxel is lost when several become one
    method = Image.Resampling.NEAREST if size[0] >= picture.shape[1] else Image.Resampling.BOX
    return Image.fromarray(np.ascontiguousarray(picture)).resize(size, method)


def _add_letters(picture: Image.Image, edges: Edges) -> Image.Image:
    """Return a picture with the sides of the patient at its edges; one too small for them stays as it is."""
    width, height = picture.size
    if min(width, height) < 8 * _LETTER:
        return picture
    draw, inset = ImageDraw.Draw(picture), _LETTER // 2
    font = ImageFont.load_default(_LETTER)
    for words, place, anchor in (
        (edges.top, (width / 2, inset), "ma"),
        (edges.bottom, (width / 2, height - inset), "md"),
        (edges.left, (inset, height / 2), "lm"),
        (edges.right, (width - inset, height / 2), "rm"),
    ):
        draw.text(place, words, "#ffe08a", font, anchor, stroke_width=1, stroke_fill="black")
    return picture


def _join(parts: Sequence[Image.Image]) -> Image.Image:
    width, height = sum(part.width + _GAP for part in parts) - _GAP, max(part.height for part in parts)
    whole, left = Image.new("RGB", (width, height)), 0
    for part in parts:
        whole.paste(part, (left, (height - part.height) // 2))
        left += part.width + _GAP
    return whole
