"""Secondary captures: pictures in DICOM, and what their attributes say in words."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray

from harness.checks import questions
from harness.checks.classes import SECONDARY_CAPTURE_CLASSES
from harness.checks.dicom_files import read_text
from harness.checks.document import DicomDocument
from harness.errors import CheckError

LARGEST: Final = 1 << 28
"""Values of all frames together."""

# what tells a reader something about the picture, wherever in the object it stands
_TEXTS: Final = (
    "SeriesDescription",
    "ImageComments",
    "FrameComments",
    "DerivationDescription",
    "ContentLabel",
    "ContentDescription",
    "OverlayLabel",
    "OverlayDescription",
    "OverlayComments",
    "GraphicLayerDescription",
    "UnformattedTextValue",
    "TextString",
    "TextValue",
)
_MOST_TEXTS: Final = 1_000
_DEEPEST: Final = 30


class SecondaryCapture(DicomDocument):
    """A secondary capture: one picture, or several as its frames.

    Args:
        path: the file.

    Raises:
        CheckError: the file cannot be read, or is something else.
    """

    _KIND = "secondary capture"
    _SOP_CLASSES = SECONDARY_CAPTURE_CLASSES

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._number("Columns"), self._number("Rows")

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self._number("NumberOfFrames", 1)

    @functools.cached_property
    def pixels(self) -> NDArray[Any]:
        """The values: ``(row, column)``, or ``(row, column, 3)`` of a picture in colours; several frames come first.

        Colours are red, green, blue, also where they are stored otherwise or as a palette.

        Raises:
            CheckError: there are none, they cannot be decoded, or are too many.
        """
        from pydicom.pixels.processing import apply_color_lut

        width, height = self.size
        values = width * height * self.frames * self._number("SamplesPerPixel", 1)
        if not 0 < values <= LARGEST:
            raise self._refuse(f"{self.frames} frames of {width} x {height} pixels")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found: NDArray[Any] = self.dataset.pixel_array
                if read_text(self.dataset, "PhotometricInterpretation") == "PALETTE COLOR":
                    found = np.asarray(apply_color_lut(found, self.dataset))
        except Exception as error:  # whatever a damaged object raises
            raise self._refuse(f"{type(error).__name__}: {error}") from None
        questions.note(questions.Question(self.path, "pixels", " x ".join(map(str, found.shape))))
        return found

    @property
    def is_blank(self) -> bool:
        """Whether all pixels of each frame are equal, so that nothing is visible."""
        pixels = self.pixels
        samples = pixels.shape[-1:] if self._number("SamplesPerPixel", 1) > 1 or pixels.ndim == 4 else ()
        frames = pixels.reshape(self.frames, -1, *samples) if samples else pixels.reshape(self.frames, -1)
        blank = bool((frames == frames[:, :1]).all())
        questions.note(questions.Question(self.path, "is_blank", "yes" if blank else "no"))
        return blank

    @property
    def text(self) -> str:
        """What attributes say about the picture, a line each: descriptions, comments, annotations, labels of overlays.

        Words that are part of the picture itself are not among them; :attr:`burned_in_annotation` says whether there
        are such that identify the patient.
        """
        lines = dict.fromkeys(line for text in self._texts() for line in text.splitlines() if line.strip())
        questions.note(questions.Question(self.path, "text", f"{len(lines)} lines"))
        return "\n".join(lines)

    @property
    def burned_in_annotation(self) -> bool | None:
        """What the object says about words in the picture that identify the patient; ``None`` where it says nothing."""
        return {"YES": True, "NO": False}.get(read_text(self.dataset, "BurnedInAnnotation").strip())

    def _texts(self) -> Iterator[str]:
        waiting: list[tuple[pydicom.Dataset, int]] = [(self.dataset, 0)]
        count = 0
        while waiting and count < _MOST_TEXTS:
            dataset, depth = waiting.pop()
            for tag in dataset.keys():  # noqa: SIM118 - iterating converts values, which may be damaged
                keyword = _find_keyword(tag)
                if keyword in _TEXTS:
                    count += 1
                    yield _read_text(dataset, tag)
            if depth < _DEEPEST:
                waiting += [(item, depth + 1) for item in _iterate_items(dataset)]

    def _number(self, keyword: str, default: int = 0) -> int:
        text = read_text(self.dataset, keyword)
        if not text:
            return default
        try:
            return int(text)
        except ValueError:
            raise self._refuse(f"{keyword} is {text[:80]!r}") from None

    def _refuse(self, why: str) -> CheckError:
        return CheckError(f"the pixels of {self.path.name} cannot be read: {why}", evidence=str(self.path))


def _find_keyword(tag: Any) -> str:
    # the groups 6000, 6002, ... repeat the attributes of one overlay
    group = 0x6000 if 0x6000 <= tag.group <= 0x60FF else tag.group
    return str(pydicom.datadict.keyword_for_tag(pydicom.tag.Tag(group, tag.element)))


def _read_text(dataset: pydicom.Dataset, tag: Any) -> str:
    try:
        value = dataset[tag].value
    except Exception:  # a value is converted when it is first asked for, and may be anything
        return ""
    return "\n".join(map(str, value)) if isinstance(value, pydicom.multival.MultiValue) else str(value or "")


def _iterate_items(dataset: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    for tag in dataset.keys():  # noqa: SIM118 - as above
        try:
            element = dataset[tag]
        except Exception:  # as above
            continue
        if element.VR == "SQ":
            yield from element.value
