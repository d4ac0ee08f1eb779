"""Pictures of what was sent: the right voxels in the right place, whatever the object says of itself."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from lxml import html
from PIL import Image, ImageChops

from harness import report
from harness.checks import Segmentation
from harness.data import Series
from harness.report import content, objects, outcomes, overlay, segments, structures, viewerdata, volume
from harness.report.figures import Figure
from harness.report.outcomes import RecordedQuestion, TestOutcome
from harness.report.volume import Deadline, UnshownError
from harness.run import course, evidence
from harness.run.results import Run
from tests.checks.made_series import SHAPE, write_segmentation
from tests.report.made_runs import make_run

KINDS = [hd.seg.SegmentationTypeValues.BINARY, hd.seg.SegmentationTypeValues.FRACTIONAL]
LABEL_MAP = hd.seg.SegmentationTypeValues.LABELMAP


def gallery(run: Run) -> tuple[list[Figure], dict[str, Any]]:
    found = objects.Gallery(run, course.read(run.directory), outcomes.read(run.directory))
    return found.figures(), found.data


def picture(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB")


def difference(one: str, other: str) -> int:
    """The greatest difference of a colour; pictures of another size differ in everything."""
    first, second = picture(one), picture(other)
    if first.size != second.size:
        return 255
    return max(high for _, high in ImageChops.difference(first, second).getextrema())


@pytest.mark.parametrize("kind", [*KINDS, LABEL_MAP], ids=lambda kind: kind.value)
def test_the_overlay_has_the_voxels_that_the_assertions_have(
    tmp_path: Path, series: Series, masks: dict[str, Any], kind: Any
) -> None:
    path = write_segmentation(tmp_path / "seg.dcm", series, masks, kind=kind)
    dataset = segments.read_segmentation(path)
    assert series.planes is not None
    found = segments.lay_segmentation(dataset, segments.read_grid(dataset), series.planes, Deadline(60))
    expected = Segmentation(path, sources=[series])
    for number, label in enumerate(masks):
        shown = np.stack([found.mask(index, number, SHAPE[1:]) for index in range(SHAPE[0])])
        assert (shown == expected.mask(label)).all()
        assert found.segments[number].voxels == expected.voxels(label)
        assert found.segments[number].ml == pytest.approx(expected.volume_ml(label))


def test_segments_that_overlap_are_all_kept(sending: Callable[..., Run], masks: dict[str, Any]) -> None:
    masks["Tumour"][2, 3, 1:6] = True
    _, data = gallery(sending(masks))
    layers = data["viewer-sent1"]["layers"]
    assert [len(layers[str(index)]) for index in (1, 2, 3)] == [1, 2, 1]


def test_a_viewer_has_every_voxel_of_a_mask_exactly(sending: Callable[..., Run], masks: dict[str, Any]) -> None:
    _, data = gallery(sending(masks))
    found = np.zeros(SHAPE, np.uint8)
    for index, layers in data["viewer-sent1"]["layers"].items():
        for layer in layers:
            found[int(index)] |= np.asarray(Image.open(io.BytesIO(base64.b64decode(layer))))
    assert (found == masks["Liver"] + 2 * masks["Tumour"].astype(np.uint8)).all()
    source = data[data["viewer-sent1"]["source"]]
    assert source["size"] == list(SHAPE)
    assert len(source["slices"]) == SHAPE[0]


def test_one_changed_voxel_changes_the_picture(sending: Callable[..., Run], masks: dict[str, Any]) -> None:
    (before,), _ = gallery(sending(masks))
    (same,), _ = gallery(sending(masks))
    masks["Liver"][3, 7, 2] = False
    (after,), _ = gallery(sending(masks))
    assert difference(before.picture, same.picture) == 0
    assert difference(before.picture, after.picture) > 50


def test_the_legend_says_what_each_colour_is_and_how_large(sending: Callable[..., Run], masks: dict[str, Any]) -> None:
    (figure,), _ = gallery(sending(masks))
    assert [(entry.label, entry.detail) for entry in figure.legend] == [
        ("Liver", "37 voxels, 0.3 ml"),
        ("Tumour", "1 voxel, 0.0 ml"),
    ]
    assert "Slice 3 of 6" in figure.caption
    assert "Liver" in figure.alt


def test_the_truth_stands_beside_the_result_on_the_slice_where_most_differs(
    sending: Callable[..., Run], masks: dict[str, Any]
) -> None:
    run = sending(masks)
    truth = masks["Liver"].copy()
    truth[1, 2:8, 1] = False
    truth[4, 0, 0] = True
    (run.directory / "truth").mkdir()
    np.savez_compressed(run.directory / "truth/1.npz", mask=truth)
    question = RecordedQuestion("sent/1.2.1.dcm", "dice", "0.9", "liver", "truth/1.npz")
    outcomes.write(run.directory, [TestOutcome("test_it", "failed", "dice is too low", (question,))])
    (figure,), data = gallery(run)
    assert figure.caption.startswith("Liver on slice 2 of 6 of ")
    assert [entry.detail for entry in figure.legend[1:]] == ["6 voxels in all slices", "1 voxel in all slices"]
    masks_of_truth = data["viewer-sent1"]["truths"]["0"]
    assert sorted(masks_of_truth) == ["1", "2", "3", "4"]
    page = html.document_fromstring(report.write(run).path.read_text())
    assert page.xpath("string(//section[@id='test1']/h2/bdi)") == "test_it"
    assert page.xpath("string(//section[@id='test1']//td/a/@href)") == "#sent1"


def test_a_report_that_is_written_again_finds_the_source_where_it_was(
    tmp_path: Path, sending: Callable[..., Run], masks: dict[str, Any], series: Series
) -> None:
    run = sending(masks)
    course.write(run.directory, course.make_course([], [series], None, {}))
    first = report.write(run).path.read_text()
    assert report.write(evidence.read(run.directory)).path.read_text() == first
    for file in series.files:
        file.unlink()
    page = report.write(evidence.read(run.directory)).path.read_text()
    assert "the series that it was made from is not among the input" in page
    assert "<img" in page


def test_a_window_is_that_of_the_dicom_or_goes_by_percentiles(series: Series) -> None:
    assert volume.choose_window(series.files, Deadline(60)).words.endswith("by percentiles")
    for file in series.files:
        dataset = pydicom.dcmread(file)
        dataset.WindowCenter, dataset.WindowWidth = [40, 50], [4, 400]
        dataset.save_as(file)
    window = volume.choose_window(series.files, Deadline(60))
    assert (window.low, window.high, window.words) == (38, 42, "window 40 \u00b1 2 of the DICOM")
    assert window.apply(np.array([0, 38, 40, 42, 100])).tolist() == [0, 0, 127, 255, 255]


def _apart(dataset: Any) -> None:
    for index, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, index * 1e6 + index % 2 * 1e-3]


def _nowhere(dataset: Any) -> None:
    del dataset.SharedFunctionalGroupsSequence
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence


def _many_segments(dataset: Any) -> None:
    items = [pydicom.Dataset() for _ in range(5000)]
    for number, item in enumerate(items, 1):
        item.SegmentNumber, item.SegmentLabel = number % 65535, f"<script>{number}</script>"
    dataset.SegmentSequence = items


def _measures(spacing: Any) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = spacing

    return change


def _orientation(values: list[float]) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:
        item = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
        item.ImageOrientationPatient = values

    return change


def _foreign(dataset: Any) -> None:
    dataset.ReferencedSeriesSequence[0].SeriesInstanceUID = "9.9"


DAMAGE: dict[str, Callable[[Any], None]] = {
    "a frame of 4 billion pixels": lambda dataset: (
        setattr(dataset, "Rows", 65535) or setattr(dataset, "Columns", 65535)
    ),
    "more frames than are there": lambda dataset: setattr(dataset, "NumberOfFrames", 2**31 - 1),
    "no pixels": lambda dataset: delattr(dataset, "PixelData"),
    "half of its pixels": lambda dataset: setattr(dataset, "PixelData", dataset.PixelData[:4]),
    "frames that are a thousand kilometres apart": _apart,
    "frames that are nowhere": _nowhere,
    "no frames": lambda dataset: setattr(dataset, "PerFrameFunctionalGroupsSequence", []),
    "5000 segments": _many_segments,
    "no segments": lambda dataset: setattr(dataset, "SegmentSequence", []),
    "another type": lambda dataset: setattr(dataset, "SegmentationType", "LABELMAP"),
    "no bits": lambda dataset: setattr(dataset, "BitsAllocated", 0),
    "a source that is not there": _foreign,
    "voxels without size": _measures([0, 0]),
    "voxels of a light year": _measures([9e15, 1e-9]),
    "negative voxels": _measures([-1, -1]),
    "one number of two": _measures([1]),
    "axes that are none": _orientation([0, 0, 0, 0, 0, 0]),
    "axes that are parallel": _orientation([1, 0, 0, 1, 0, 0]),
    "a label of 10000 characters": lambda dataset: setattr(dataset.SegmentSequence[0], "SegmentLabel", "<b>" * 3333),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_hostile_segmentation_costs_its_picture_at_most(
    sending: Callable[..., Run], masks: dict[str, Any], damage: str
) -> None:
    run = sending(masks, change=DAMAGE[damage])
    clock = time.monotonic()
    text = report.write(run).path.read_text()
    assert time.monotonic() - clock < 60
    page = html.document_fromstring(text)
    (article,) = page.xpath("//section[@id='sent']/article")
    assert article.xpath(".//img") or article.xpath("string(p[@class='note'])")
    assert not page.xpath("//b")
    assert len(text) < 1_000_000


def test_an_unexpected_error_of_a_check_costs_only_its_picture(
    monkeypatch: pytest.MonkeyPatch, sending: Callable[..., Run], masks: dict[str, Any]
) -> None:
    def fail(*_: Any) -> None:
        raise OverflowError("x" * 10_000)

    monkeypatch.setattr(segments, "lay_segmentation", fail)
    (figure,), _ = gallery(sending(masks))
    assert figure.left_out.startswith("no picture: OverflowError: xxx")
    assert len(figure.left_out) <= 500


def test_segments_that_all_lie_on_each_other_do_not_fill_the_memory(series: Series) -> None:
    assert series.planes is not None
    builder = overlay.OverlayBuilder(series.planes, [str(number) for number in range(250)])
    for number in range(250):
        builder.add(number, np.ones(SHAPE[1:], bool), (0, 0, 0))
    found = builder.result()
    assert len(found.slices[0]) == overlay.MOST_LAYERS
    assert f"{240 * 63} voxels are not shown" in found.left_out


def test_a_deflated_file_that_becomes_too_large_is_not_inflated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.SegmentationStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.add_new(0x00420011, "OB", bytes(8 << 20))
    dataset.save_as(tmp_path / "bomb.dcm", enforce_file_format=True)
    assert (tmp_path / "bomb.dcm").stat().st_size < 1 << 20
    assert segments.read_segmentation(tmp_path / "bomb.dcm").SOPInstanceUID == "1.2.3"
    monkeypatch.setattr(segments, "LARGEST_FILE", 4 << 20)
    with pytest.raises(UnshownError, match="when it is inflated"):
        segments.read_segmentation(tmp_path / "bomb.dcm")


def test_a_volume_that_does_not_compress_gets_smaller_until_it_fits() -> None:
    rng = np.random.default_rng(1)
    grid = volume.Grid(
        256, 256, (1.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), tuple((0.0, 0.0, float(z)) for z in range(20))
    )
    noise = volume.GreyVolume("noise", rng.integers(0, 256, (20, 256, 256), np.uint8), grid, "w")
    data, reduction = viewerdata.encode_source(noise, 400_000)
    assert sum(map(len, data["slices"])) <= 400_000
    assert (reduction.factor, data["size"]) in [(1, [20, 256, 256]), (2, [20, 128, 128])]
    coarse, reduction = viewerdata.encode_source(noise, 60_000)
    assert reduction.factor > 1
    assert "voxels of a slice" in reduction.words
    assert coarse["spacing"][1] == reduction.factor
    with pytest.raises(UnshownError, match="too large for a page"):
        viewerdata.encode_source(noise, 100)


def test_a_voxel_does_not_vanish_when_slices_get_smaller() -> None:
    grid = volume.Grid(9, 7, (1.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), ((0.0, 0.0, 0.0),))
    reduction = viewerdata.Reduction(volume.make_blank("x", grid), 4, 1)
    layer = np.zeros((9, 7), np.uint8)
    layer[8, 6] = 3
    assert reduction.labels(layer).tolist() == [[0, 0], [0, 0], [0, 3]]
    assert reduction.grey(0).shape == reduction.labels(layer).shape


def _contour(series: Series, index: int, corners: list[tuple[float, float]]) -> pydicom.Dataset:
    assert series.geometry is not None
    contour = pydicom.Dataset()
    contour.ContourGeometricType = "CLOSED_PLANAR"
    points = [series.geometry.position(index, row, column) for row, column in corners]
    contour.ContourData = [f"{value:.4f}" for point in points for value in point]
    return contour


def test_contours_of_a_structure_set_are_filled_on_their_slice_with_holes(series: Series) -> None:
    region = pydicom.Dataset()
    region.ReferencedROINumber = 1
    outer = _contour(series, 2, [(1, 1), (1, 5), (7, 5), (7, 1)])
    hole = _contour(series, 2, [(3, 2), (3, 4), (5, 4), (5, 2)])
    region.ContourSequence = [outer, hole, _contour(series, 40, [(1, 1), (1, 2), (2, 2)])]
    name = pydicom.Dataset()
    name.ROINumber, name.ROIName = 1, "Shell"
    dataset = pydicom.Dataset()
    dataset.ROIContourSequence, dataset.StructureSetROISequence = [region], [name]
    assert series.planes is not None
    found = structures.lay_structures(dataset, series.planes, Deadline(60))
    assert [part.label for part in found.segments] == ["Shell"]
    assert list(found.slices) == [2]
    mask = found.mask(2, 0, SHAPE[1:])
    assert (bool(mask[2, 3]), bool(mask[4, 3]), bool(mask[8, 6])) == (True, False, False)
    assert "1 contours are not shown" in found.left_out


def _capture(path: Path, frames: int) -> Path:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SeriesDescription = "Plot"
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames, dataset.SamplesPerPixel = 20, 30, frames, 3
    dataset.PhotometricInterpretation, dataset.PlanarConfiguration, dataset.PixelRepresentation = "RGB", 0, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    pixels = np.zeros((frames, 20, 30, 3), np.uint8)
    pixels[..., 0] = 200
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_a_secondary_capture_is_shown_in_its_colours(tmp_path: Path) -> None:
    file = _capture(tmp_path / "sc.dcm", 20)
    run = make_run(tmp_path / "run", sent=[(pydicom.uid.SecondaryCaptureImageStorage, file)])
    (figure,), _ = gallery(run)
    assert (figure.title, figure.caption.startswith("Frames 1, 3, 6, ")) == ("Plot", True)
    red, green, blue = picture(figure.picture).getpixel((5, 5))  # type: ignore[misc]
    assert (red > 180, green < 30, blue < 30) == (True, True, True)


def test_images_of_one_series_are_one_figure_with_a_viewer(tmp_path: Path, series: Series) -> None:
    sent = [(instance.sop_class_uid, instance.path) for instance in series.instances]
    run = make_run(tmp_path / "run", sent=sent)
    for item in run.sent:
        object.__setattr__(item, "series_instance_uid", series.series_instance_uid)
    (figure,), data = gallery(run)
    assert "6 objects of one series" in figure.kind
    assert figure.viewer == "viewer-sent1"
    assert data["viewer-sent1"]["segments"] == []


def test_the_content_of_a_structured_report_is_text() -> None:
    def item(name: str, value: str) -> pydicom.Dataset:
        found, concept = pydicom.Dataset(), pydicom.Dataset()
        concept.CodeMeaning = name
        found.ConceptNameCodeSequence, found.ValueType, found.TextValue = [concept], "TEXT", value
        return found

    dataset = pydicom.Dataset()
    first = item("Finding", "a <b>lesion</b>")
    first.ContentSequence = [item("Size", "large")]
    dataset.ContentSequence = [first]
    assert content.list_content(dataset) == "Finding: a <b>lesion</b>\n  Size: large"
    dataset.ContentSequence = [item("x", "y" * 900)] * 1000
    assert len(content.list_content(dataset)) < 30_000


def test_pictures_that_would_take_too_long_are_left_out(
    monkeypatch: pytest.MonkeyPatch, sending: Callable[..., Run], masks: dict[str, Any]
) -> None:
    monkeypatch.setattr(objects, "SECONDS", 0.0)
    (figure,), _ = gallery(sending(masks))
    assert (figure.picture, "had taken 0 s already" in figure.left_out) == ("", True)
