"""Every way in which a series is not one regular volume, and the finding for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage

from harness.geometry import Judgement, ProblemKind, facts_of, judge

ROW, COLUMN = np.array([0.8, 0.6, 0.0]), np.array([-0.6, 0.8, 0.0])
NORMAL = np.cross(ROW, COLUMN)
ORIGIN = np.array([10.0, -20.0, 5.0])


def image(index: int, distance: float, **tags: Any) -> tuple[Dataset, str]:
    """A CT slice at a distance along the normal of an oblique plane, and the name of its file."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = CTImageStorage, f"1.2.{index + 1}", "CT"
    dataset.InstanceNumber, dataset.Rows, dataset.Columns = index + 1, 9, 7
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.PixelSpacing, dataset.SliceThickness = [1.5, 2.0], 3
    dataset.ImageOrientationPatient = [*map(float, ROW), *map(float, COLUMN)]
    dataset.ImagePositionPatient = [round(float(value), 4) for value in ORIGIN + distance * NORMAL]
    for name, value in tags.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    return dataset, f"im{index + 1:02d}.dcm"


def judged(*images: tuple[Dataset, str]) -> Judgement:
    return judge([facts_of(dataset, name) for dataset, name in images])


def stack(distances: list[float], **tags: Any) -> list[tuple[Dataset, str]]:
    return [image(index, distance, **tags) for index, distance in enumerate(distances)]


EVEN = [3.0 * index for index in range(12)]


def test_an_even_series_is_one_volume_whatever_the_order_of_its_files() -> None:
    result = judged(*reversed(stack(EVEN)))
    assert result.problems == ()
    assert result.is_regular
    assert [entry.file for entry in result.images][:2] == ["im01.dcm", "im02.dcm"]
    assert result.grid is not None
    assert result.grid.shape == (12, 9, 7)
    assert result.grid.spacing == pytest.approx(3.0)
    assert result.grid.origins[0] == pytest.approx(tuple(ORIGIN), abs=1e-3)
    assert result.grid.widths == pytest.approx([3.0] * 12, abs=1e-3)


def test_positions_rounded_to_a_tenth_are_still_even() -> None:
    assert judged(*stack([round(0.625 * index, 1) for index in range(40)])).is_regular


def only(result: Judgement) -> Any:
    (problem,) = result.problems
    return problem


def test_a_missing_slice_is_named_between_its_neighbours_and_the_others_stay_where_they_are() -> None:
    result = judged(*[entry for index, entry in enumerate(stack(EVEN)) if index != 5])
    problem = only(result)
    assert problem.kind is ProblemKind.MISSING
    assert problem.text == (
        "a slice is missing between im05.dcm and im07.dcm: they are 6 mm apart, its other slices 3 mm"
    )
    assert problem.files == ("im05.dcm", "im07.dcm")
    assert not result.is_regular
    assert result.grid is not None
    assert result.grid.distances[5] - result.grid.distances[4] == pytest.approx(6.0, abs=1e-3)
    assert result.grid.widths[4:6] == pytest.approx((4.5, 4.5), abs=1e-3)


def test_several_missing_slices_are_counted() -> None:
    result = judged(*[entry for index, entry in enumerate(stack(EVEN)) if index not in (3, 4, 8)])
    assert only(result).text.startswith("3 slices are missing, the first between im03.dcm and im06.dcm: they are 9 mm")


def test_uneven_spacing_names_the_usual_and_the_odd_step() -> None:
    result = judged(*stack([0, 3, 6, 9, 13, 16, 19]))
    problem = only(result)
    assert problem.kind is ProblemKind.UNEVEN
    assert problem.text == (
        "its slices are not evenly spaced: 3 mm from im01.dcm to im02.dcm, 4 mm from im04.dcm to im05.dcm"
    )


def test_two_time_points_at_the_same_positions_are_distinguished_by_their_attribute() -> None:
    first = [image(index, 3.0 * index, TemporalPositionIdentifier=1) for index in range(6)]
    second = [image(index + 6, 3.0 * index, TemporalPositionIdentifier=2) for index in range(6)]
    result = judged(*first, *second)
    assert only(result).kind is ProblemKind.SAME_POSITION
    assert only(result).text == (
        "2 images lie at each of its 6 positions, e.g. im01.dcm, im07.dcm: TemporalPositionIdentifier 1, 2"
    )
    assert result.grid is None


def test_one_position_that_comes_twice_is_reported() -> None:
    result = judged(*stack(EVEN), image(12, 9.0))
    assert only(result).text == "1 of its 12 positions have more than one image, e.g. im04.dcm, im13.dcm"


@pytest.mark.parametrize(
    ("tags", "kind", "text"),
    [
        ({"Rows": 64, "Columns": 80}, ProblemKind.SIZE,
         "im13.dcm has 80 x 64 pixels (columns x rows), the other 12 images 7 x 9 pixels (columns x rows)"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, ProblemKind.ORIENTATION,
         "im13.dcm has the orientation (1, 0, 0, 0, 1, 0), the other 12 images the orientation "
         "(0.8, 0.6, 0, -0.6, 0.8, 0)"),
        ({"PixelSpacing": [1.5, 2.5]}, ProblemKind.PIXEL_SPACING,
         "im13.dcm has pixels of (1.5, 2.5) mm (rows, columns), the other 12 images pixels of (1.5, 2) mm "
         "(rows, columns)"),
        ({"ImagePositionPatient": None}, ProblemKind.NO_POSITION,
         "im13.dcm has no ImagePositionPatient: nothing says where its voxels lie (the other 12 images say it)"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, ProblemKind.INVERTED,
         "im13.dcm has inverted greys (MONOCHROME1): high values are dark"),
    ],
)  # fmt: skip
def test_one_odd_image_is_named_with_how_it_differs(tags: dict[str, Any], kind: ProblemKind, text: str) -> None:
    result = judged(*stack(EVEN), image(12, 36.0, **tags))
    assert (only(result).kind, only(result).text, only(result).files) == (kind, text, ("im13.dcm",))


def test_colours_are_reported_with_their_interpretation() -> None:
    result = judged(*stack(EVEN, SamplesPerPixel=3, PhotometricInterpretation="RGB"))
    assert only(result).text == (
        "im01.dcm, im02.dcm, im03.dcm and 9 more have colours (RGB): a voxel has several values"
    )


def test_slices_that_are_shifted_against_each_other_are_a_tilt() -> None:
    images = stack(EVEN)
    for index, (dataset, _) in enumerate(images):
        shifted = np.array([float(value) for value in dataset.ImagePositionPatient]) + index * 0.8 * COLUMN
        dataset.ImagePositionPatient = [round(float(value), 4) for value in shifted]
    result = judged(*images)
    assert only(result).kind is ProblemKind.SHEARED
    assert only(result).text == (
        "its slices are shifted against each other, 8.8 mm from im01.dcm to im12.dcm (gantry tilt)"
    )
    assert not result.is_regular


def enhanced(distances: list[float]) -> Dataset:
    dataset, _ = image(0, 0.0, ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None)
    dataset.SOPClassUID, dataset.NumberOfFrames = EnhancedMRImageStorage, len(distances)
    measures, orientation = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1.5, 2.0], 3
    orientation.ImageOrientationPatient = [*map(float, ROW), *map(float, COLUMN)]
    shared = Dataset()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([orientation])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for distance in distances:
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = [float(value) for value in ORIGIN + distance * NORMAL]
        frame.PlanePositionSequence = Sequence([position])
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return dataset


def test_an_enhanced_multi_frame_image_is_named_and_its_frames_are_where_it_says() -> None:
    result = judged((enhanced(EVEN), "enhanced.dcm"))
    assert only(result).kind is ProblemKind.FRAMES
    assert only(result).text == "enhanced.dcm holds 12 frames (Enhanced MR Image Storage)"
    assert result.grid is not None
    assert result.grid.shape == (12, 9, 7)
    assert result.grid.is_even


def test_a_frame_that_is_missing_in_a_multi_frame_image_is_named_by_its_number() -> None:
    result = judged((enhanced([0, 3, 9, 12]), "enhanced.dcm"))
    assert [problem.kind for problem in result.problems] == [ProblemKind.FRAMES, ProblemKind.MISSING]
    assert "between frame 2 of enhanced.dcm and frame 3 of enhanced.dcm" in result.problems[1].text


def test_segmentations_and_other_objects_with_frames_of_their_own_are_not_judged() -> None:
    dataset = enhanced([0, 0, 3])
    dataset.Modality = "SEG"
    result = judged((dataset, "seg.dcm"))
    assert (result.problems, result.grid) == ((), None)


def test_a_single_projection_without_any_position_is_no_problem() -> None:
    assert judged(image(0, 0.0, ImagePositionPatient=None, ImageOrientationPatient=None)).problems == ()


def test_values_that_are_not_numbers_count_as_missing() -> None:
    dataset, name = image(0, 0.0)
    dataset.PixelSpacing = None
    with pydicom.config.disable_value_validation():
        dataset.InstanceNumber = ""
    facts = facts_of(dataset, name)
    assert facts.number == 0
    assert facts.planes[0].pixel_spacing is None


def test_the_facts_of_an_image_are_typed() -> None:
    dataset, name = image(4, 12.0, PixelPaddingValue=-2000, AcquisitionNumber=3)
    facts = facts_of(dataset, name)
    assert (facts.file, facts.modality, facts.bits_allocated, facts.bits_stored) == ("im05.dcm", "CT", 16, 16)
    assert (facts.padding, facts.frames, facts.samples, facts.photometric) == (-2000, 1, 1, "MONOCHROME2")
    assert facts.times == (("AcquisitionNumber", "3"),)
    assert facts.planes[0].thickness == 3.0
