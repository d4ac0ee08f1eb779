"""A truth is compared on the voxels of the result, whatever file it comes in; one that lies elsewhere is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from made_series import COLUMN, NORMAL, ROW, SPACING, write_segmentation, write_series

from harness.checks import Segmentation
from harness.data import Series, read_input
from harness.errors import CheckError

WriteSeg = Callable[..., Path]
ORIGIN = np.array([10.0, -20.0, 5.0])


@pytest.fixture
def seg(series: Series, masks: Any, write_seg: WriteSeg) -> Segmentation:
    return Segmentation(write_seg(series, masks), sources=[series])


def _affine(spacing: Any = SPACING, origin: Any = ORIGIN) -> Any:
    """RAS millimetres of (slice, row, column)."""
    affine = np.eye(4)
    for axis, (direction, step) in enumerate(zip((NORMAL, COLUMN, ROW), spacing, strict=True)):
        affine[:3, axis] = direction * step
    affine[:3, 3] = origin
    return np.diag([-1, -1, 1, 1]) @ affine


def _write(path: Path, values: Any, affine: Any, *, unit: str = "mm", codes: int = 1) -> Path:
    image = nibabel.nifti1.Nifti1Image(values.astype(np.uint8), affine)
    image.header.set_xyzt_units(unit)
    image.set_sform(affine, codes)
    image.set_qform(affine if codes else None, codes)
    nibabel.save(image, path)
    return path


# every way in which the axes of a file can run
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_a_nifti_file_lies_on_the_source_whichever_way_its_axes_run(
    seg: Segmentation, masks: Any, tmp_path: Path, order: tuple[int, ...]
) -> None:
    for flipped in itertools.product((False, True), repeat=3):
        values, affine = np.transpose(masks["Liver"], order), _affine()
        affine[:, :3] = affine[:, order]
        for axis in range(3):
            if flipped[axis]:
                values = np.flip(values, axis)
                affine[:3, 3] += (values.shape[axis] - 1) * affine[:3, axis]
                affine[:3, axis] *= -1
        path = _write(tmp_path / "truth.nii.gz", values, affine)
        assert seg.dice("Liver", path) == 1.0
        assert seg.dice("Liver", str(path)) == 1.0


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1.0), ("unknown", 1.0), ("meter", 0.001), ("micron", 1000.0)])
def test_the_unit_of_a_nifti_file_counts(
    seg: Segmentation, masks: Any, tmp_path: Path, unit: str, scale: float
) -> None:
    affine = _affine()
    affine[:3] *= scale
    assert seg.dice("Liver", _write(tmp_path / "truth.nii", masks["Liver"], affine, unit=unit)) == 1.0


def test_one_value_of_a_label_map_is_chosen(seg: Segmentation, masks: Any, tmp_path: Path) -> None:
    values = masks["Liver"] * 3
    values[masks["Tumour"]] = 7
    path = _write(tmp_path / "labels.nii.gz", values, _affine())
    assert seg.dice("Liver", path, truth_label=3) == 1.0
    assert seg.dice("Tumour", path, truth_label=7) == 1.0
    assert seg.dice("Tumour", values, truth_label=7) == 1.0
    with pytest.raises(CheckError, match=r"labels\.nii\.gz has the values 3, 7: which one is the truth") as caught:
        seg.dice("Liver", path)
    assert caught.value.fix == "truth_label=3 chooses one"
    with pytest.raises(CheckError, match=r"labels\.nii\.gz has no voxel of the value 4; it has 3, 7"):
        seg.dice("Liver", path, truth_label=4)
    with pytest.raises(CheckError, match=r"labels\.nii\.gz has values and not labels: 'Liver' names none of 3, 7"):
        seg.dice("Liver", path, truth_label="Liver")
    with pytest.raises(CheckError, match="the truth of 'Liver' has the values 3, 7: which one is the truth"):
        seg.dice("Liver", values)
    with pytest.raises(CheckError, match=r"the truth of 'Liver' has the value 0\.7, which is not a label"):
        seg.dice("Liver", masks["Liver"] * 0.7)
    assert seg.dice("Liver", masks["Liver"] * 255.0) == 1.0
    with pytest.raises(CheckError, match="the truth of 'Liver' has no voxel of the value 4; it has 3, 7"):
        seg.dice("Liver", values, truth_label=4)


def _shifted(path: Path, values: Any) -> Path:
    return _write(path, values, _affine(origin=ORIGIN + 0.5 * SPACING[1] * COLUMN))


def _coarse(path: Path, values: Any) -> Path:
    return _write(path, values, _affine(spacing=(3.0, 1.5, 2.1)))


def _cut(path: Path, values: Any) -> Path:
    return _write(path, values[:, :-1], _affine())


def _nowhere(path: Path, values: Any) -> Path:
    return _write(path, values, _affine(), codes=0)


def _probable(path: Path, values: Any) -> Path:
    nibabel.save(nibabel.nifti1.Nifti1Image(values * 0.25, _affine()), path)
    return path


def _moving(path: Path, values: Any) -> Path:
    nibabel.save(nibabel.nifti1.Nifti1Image(np.stack([values, values], -1).astype(np.uint8), _affine()), path)
    return path


def _text(path: Path, values: Any) -> Path:
    path.write_text("no NIfTI")
    return path


def _truncated(path: Path, values: Any) -> Path:
    whole = _write(path.with_name("whole.nii"), values, _affine())
    path.write_bytes(whole.read_bytes()[:-10])
    return path


def _infinite(path: Path, values: Any) -> Path:
    whole = bytearray(_write(path.with_name("whole.nii"), values, _affine()).read_bytes())
    whole[280:284] = np.float32(np.nan).tobytes()  # srow_x[0]
    path.write_bytes(whole)
    return path


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (_shifted, "t.nii does not lie on the voxels of the source: voxels of 3 x 1.5 x 2 mm around"),
        (_coarse, "t.nii does not lie on the voxels of the source: voxels of 3 x 1.5 x 2.1 mm around"),
        (_cut, "t.nii has (6, 8, 7) voxels (its own axes), the source (6, 9, 7) (slice, row, column)"),
        (_nowhere, "t.nii does not say where it lies: its qform and sform have the code 0"),
        (_probable, "t.nii has the value 0.25, which is not a label"),
        (_moving, "t.nii has (6, 9, 7, 2) voxels where a volume is expected"),
        (_text, "t.nii cannot be read as NIfTI"),
        (_truncated, "the voxels of t.nii cannot be read"),
        (_infinite, "t.nii has an affine that is not finite"),
        (lambda path, values: path, "t.nii does not exist"),
        (lambda path, values: path.parent, "is no file"),
    ],
)
def test_a_nifti_file_that_does_not_fit_the_source_is_refused_with_the_reason(
    seg: Segmentation, masks: Any, tmp_path: Path, write: Callable[[Path, Any], Path], words: str
) -> None:
    with pytest.raises(CheckError) as caught:
        seg.dice("Liver", write(tmp_path / "t.nii", masks["Liver"]))
    assert words in caught.value.cause


def test_a_nifti_file_whose_affine_counts_in_lps_is_recognized(seg: Segmentation, masks: Any, tmp_path: Path) -> None:
    path = _write(tmp_path / "t.nii", masks["Liver"], np.diag([-1, -1, 1, 1]) @ _affine())
    with pytest.raises(CheckError, match="does not lie on the voxels of the source") as caught:
        seg.dice("Liver", path)
    assert caught.value.fix.startswith("its affine counts in LPS")


def test_a_nifti_file_cannot_be_the_truth_of_slices_that_are_unevenly_spaced(
    masks: Any, write_seg: WriteSeg, tmp_path: Path
) -> None:
    gap = read_input(write_series(tmp_path / "gap", uid="1.2.3.5", places=[0, 3, 6, 12, 15, 18]))[0]
    seg = Segmentation(write_seg(gap, masks), sources=[gap])
    with pytest.raises(CheckError, match=r"t\.nii has evenly spaced slices, the source has not"):
        seg.dice("Liver", _write(tmp_path / "t.nii", masks["Liver"], _affine()))


# --- other segmentations --------------------------------------------------------------------------------------------


def test_another_segmentation_is_a_truth_by_its_labels(
    seg: Segmentation, series: Series, masks: Any, tmp_path: Path
) -> None:
    path = write_segmentation(tmp_path / "truth.dcm", series, {"liver": masks["Liver"], "Mass": masks["Tumour"]})
    assert seg.dice("Liver", path) == 1.0
    assert seg.dice("Tumour", path, truth_label="Mass") == 1.0
    assert seg.dice("Tumour", Segmentation(path), truth_label="Mass") == 1.0
    with pytest.raises(CheckError, match=r"the truth truth\.dcm cannot be used: truth\.dcm has no segment 'Tumour'"):
        seg.dice("Tumour", path)
    with pytest.raises(CheckError, match="has labels and not values: 1 names none of them"):
        seg.dice("Tumour", path, truth_label=1)


def test_a_truth_with_its_frames_in_any_order_and_without_empty_slices_is_placed(
    seg: Segmentation, series: Series, masks: Any, tmp_path: Path
) -> None:
    def change(dataset: Any) -> None:
        pixels = dataset.pixel_array[::-1]
        dataset.PerFrameFunctionalGroupsSequence = list(dataset.PerFrameFunctionalGroupsSequence)[::-1]
        from pydicom.pixels import pack_bits

        dataset.PixelData = pack_bits(pixels)

    sparse = {"Liver": masks["Liver"].copy()}
    sparse["Liver"][2] = False
    path = write_segmentation(tmp_path / "truth.dcm", series, sparse, change=change)
    assert seg.dice("Liver", path).difference.truth_ml == 0
    assert seg.dice("Liver", path).difference.voxels == masks["Liver"][2].sum()


def test_a_truth_in_another_frame_of_reference_is_refused(seg: Segmentation, masks: Any, tmp_path: Path) -> None:
    other = read_input(write_series(tmp_path / "other", uid="1.2.3.7"))[0]
    path = write_segmentation(tmp_path / "truth.dcm", other, masks)
    with pytest.raises(CheckError, match=r"truth\.dcm is in another frame of reference \(1\.2\.3\.7\.9\)"):
        seg.dice("Liver", path)


def test_a_truth_between_the_voxels_of_the_result_is_refused(seg: Segmentation, masks: Any, tmp_path: Path) -> None:
    other = read_input(write_series(tmp_path / "other", uid="1.2.3.7", shift=(0.7, 0, 0)))[0]

    def change(dataset: Any) -> None:
        dataset.FrameOfReferenceUID = "1.2.3.4.9"

    path = write_segmentation(tmp_path / "truth.dcm", other, masks, change=change)
    with pytest.raises(CheckError, match=r"the truth truth\.dcm cannot be used: .*lie between those of"):
        seg.dice("Liver", path)


def test_a_value_that_is_not_a_mask_is_named(seg: Segmentation, series: Series, masks: Any) -> None:
    with pytest.raises(CheckError, match="the truth of 'Liver' is dict, not a mask or a file"):
        seg.dice("Liver", masks)
    with pytest.raises(CheckError, match="is not a segmentation but CT Image Storage"):
        seg.dice("Liver", series.files[0])
