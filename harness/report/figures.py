"""A DICOM object that was sent, as the page shows it."""

from __future__ import annotations

import dataclasses
from typing import Any

from harness.run.outputs import SentObject


@dataclasses.dataclass(frozen=True)
class LegendEntry:
    """A colour of a picture, and its meaning."""

    label: str
    colour: str
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class Figure:
    """One object.

    Args:
        id: of its element.
        item: the object.
        title: its name.
        kind: its kind, in words.
        left_out: why there is no picture, or not all of it.
        picture: an image, as an address that holds it.
        thumbnail: the same, small.
        alt: the picture in words.
        caption: what can be seen.
        legend: its colours.
        viewer: id of the data for the viewer; empty where the picture is all.
        show: the viewer's first slice.
        text: its content where that is text.
    """

    id: str
    item: SentObject
    title: str
    kind: str
    left_out: str = ""
    picture: str = ""
    thumbnail: str = ""
    alt: str = ""
    caption: str = ""
    legend: tuple[LegendEntry, ...] = ()
    viewer: str = ""
    show: dict[str, Any] = dataclasses.field(default_factory=dict)
    text: str = ""
