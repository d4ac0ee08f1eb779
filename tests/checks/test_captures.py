"""Secondary captures have pixels, a size and the words of their attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from made_documents import gradient, write_capture

from harness.checks.captures import SecondaryCapture
from harness.data import Series
from harness.errors import CheckError


def capture(folder: Path, series: Series, pixels: Any = None, **attributes: Any) -> SecondaryCapture:
    pixels = gradient() if pixels is None else pixels
    return SecondaryCapture(write_capture(folder / "sc.dcm", pixels, series, **attributes))


def test_grey_values_and_colours_come_as_they_were_written(tmp_path: Path, series: Series) -> None:
    grey = capture(tmp_path, series)
    assert (grey.size, grey.frames) == ((6, 4), 1)
    assert np.array_equal(grey.pixels, gradient())
    colours = np.stack([gradient(), gradient() * 2, gradient() * 3], axis=-1)
    assert np.array_equal(capture(tmp_path, series, colours).pixels, colours)


def test_a_palette_becomes_colours(tmp_path: Path, series: Series) -> None:
    values = np.arange(24, dtype=np.uint16)
    table: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for number, name in enumerate(("Red", "Green", "Blue"), 1):
        table[f"{name}PaletteColorLookupTableDescriptor"] = [24, 0, 16]
        table[f"{name}PaletteColorLookupTableData"] = (values * number).tobytes()
    pixels = capture(tmp_path, series, **table).pixels
    assert pixels.shape == (4, 6, 3)
    assert pixels[3, 5].tolist() == [23, 46, 69]


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3)])
def test_a_picture_with_nothing_on_it_is_blank(tmp_path: Path, series: Series, shape: tuple[int, ...]) -> None:
    pixels = np.zeros(shape, np.uint8)
    pixels[..., -1] = pixels[0, 0].max() if len(shape) == 2 else 9
    assert capture(tmp_path, series, pixels).is_blank
    pixels[1, 2] += 1
    assert not capture(tmp_path, series, pixels).is_blank


def test_frames_are_blank_each_by_itself(tmp_path: Path, series: Series) -> None:
    frames = np.stack([np.zeros((4, 6), np.uint8), np.ones((4, 6), np.uint8)])
    found = capture(tmp_path, series, NumberOfFrames=2, PixelData=frames.tobytes())
    assert found.pixels.shape == (2, 4, 6)
    assert found.is_blank


def test_words_come_from_attributes_wherever_they_stand(tmp_path: Path, series: Series) -> None:
    text = pydicom.Dataset()
    text.UnformattedTextValue = "Threshold 42"
    graphic = pydicom.Dataset()
    graphic.TextObjectSequence = [text]
    found = capture(
        tmp_path,
        series,
        ImageComments="made by otsus-method",
        GraphicAnnotationSequence=[graphic],
        PatientComments="not about the picture",
        BurnedInAnnotation="YES",
    )
    found.dataset.add_new(0x60021500, "LO", "the mask")
    assert set(found.text.splitlines()) == {"made by otsus-method", "Threshold 42", "the mask"}
    assert found.burned_in_annotation is True
    assert capture(tmp_path, series, BurnedInAnnotation="").burned_in_annotation is None


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"PixelData": b"\0\0"}, "ValueError"),
        ({"Rows": 65535, "Columns": 65535}, "1 frames of 65535 x 65535 pixels"),
        ({"NumberOfFrames": 100_000_000}, "100000000 frames of 6 x 4 pixels"),
        ({"Rows": 0}, "1 frames of 6 x 0 pixels"),
    ],
)
def test_pixels_that_cannot_be_are_named(tmp_path: Path, series: Series, attributes: Any, words: str) -> None:
    with pytest.raises(CheckError, match=r"the pixels of sc\.dcm cannot be read: ") as caught:
        assert capture(tmp_path, series, **attributes).pixels is None
    assert words in caught.value.cause


def test_a_deflated_file_that_grows_without_end_is_refused(
    tmp_path: Path, series: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.checks import dicom_files

    path = write_capture(tmp_path / "sc.dcm", np.zeros((2000, 2000), np.uint8), series)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    assert SecondaryCapture(path).size == (2000, 2000)
    monkeypatch.setattr(dicom_files, "LARGEST_FILE", 1 << 20)
    with pytest.raises(CheckError, match="it becomes more than 1 MiB when it is inflated"):
        SecondaryCapture(path)
