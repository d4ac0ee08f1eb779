"""Distances of surfaces in millimetres: shapes whose distances are known, and any shapes by brute force."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_series import SHAPE, SPACING, write_series

from harness.checks import Segmentation
from harness.checks.distances import SurfaceDistance, measure_surface_distance
from harness.data import Series, read_input
from harness.errors import CheckError, UsageError
from harness.geometry.grid import Grid

WriteSeg = Callable[..., Path]

pytest.importorskip("SimpleITK")


def _grid(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Grid:
    origins = tuple((0.0, 0.0, index * spacing[0]) for index in range(shape[0]))
    return Grid(shape[1], shape[2], spacing[1:], (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), origins, spacing[0])


def _surface(mask: Any) -> Any:
    padded = np.pad(mask, 1)
    inner = padded.copy()
    for axis in range(3):
        inner &= np.roll(padded, 1, axis) & np.roll(padded, -1, axis)
    return np.argwhere((padded & ~inner)[1:-1, 1:-1, 1:-1])


def _by_hand(mine: Any, truth: Any, spacing: Any) -> tuple[float, float, float]:
    one, other = (_surface(mask) * np.asarray(spacing) for mask in (mine, truth))
    apart = np.linalg.norm(one[:, None] - other[None], axis=-1)
    forth, back = apart.min(axis=1), apart.min(axis=0)
    return (
        max(forth.max(), back.max()),
        max(np.percentile(forth, 95), np.percentile(back, 95)),
        np.concatenate([forth, back]).mean(),
    )


def _numbers(found: SurfaceDistance) -> tuple[float, float, float]:
    return float(found.hausdorff_mm), float(found.p95_mm), float(found.mean_mm)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.7, 1.25)], ids=str)
def test_a_box_that_is_shifted_is_as_far_away_as_it_was_shifted(axis: int, spacing: tuple[float, float, float]) -> None:
    box = np.zeros((16, 18, 20), bool)
    box[4:9, 5:11, 3:9] = True
    for steps in (1, 2, 4):
        found = measure_surface_distance("box", np.roll(box, steps, axis), box, _grid(box.shape, spacing))
        assert found.hausdorff_mm == pytest.approx(steps * spacing[axis], rel=1e-5)


def test_of_a_slab_that_is_one_voxel_thick_every_distance_is_the_shift() -> None:
    slab = np.zeros((12, 10, 10), bool)
    slab[3] = True
    found = measure_surface_distance("slab", np.roll(slab, 4, 0), slab, _grid(slab.shape, (2.5, 1, 1)))
    assert _numbers(found) == pytest.approx((10, 10, 10))


def _sphere(shape: tuple[int, int, int], spacing: Any, centre: Any, radius: float) -> Any:
    places = np.indices(shape).transpose(1, 2, 3, 0) * np.asarray(spacing)
    return np.linalg.norm(places - np.asarray(centre), axis=-1) <= radius


def test_spheres_within_each_other_are_the_difference_of_their_radii_apart() -> None:
    spacing = (1.0, 0.5, 0.5)
    shape, centre = (60, 120, 120), (30, 30, 30)
    small, large = (_sphere(shape, spacing, centre, radius) for radius in (16, 24))
    found = measure_surface_distance("sphere", small, large, _grid(shape, spacing))
    assert found.mean_mm == pytest.approx(8, abs=0.5)
    assert found.hausdorff_mm == pytest.approx(8, abs=1.3)
    assert found.mean_mm < found.p95_mm < found.hausdorff_mm


def test_spheres_that_are_shifted_are_as_far_apart_as_the_shift() -> None:
    spacing = (2.0, 1.0, 1.0)
    shape = (40, 80, 80)
    one, other = (_sphere(shape, spacing, centre, 15) for centre in ((40, 40, 30), (40, 40, 42)))
    found = measure_surface_distance("sphere", one, other, _grid(shape, spacing))
    assert found.hausdorff_mm == pytest.approx(12, abs=0.01)
    # half of the surface of a sphere is nearer: the mean of |12 cos a| over it is 6
    assert found.mean_mm == pytest.approx(6, abs=0.7)


@pytest.mark.parametrize("seed", range(12))
def test_any_masks_have_the_distances_that_their_definition_gives(seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = tuple(int(length) for length in random.integers(1, 9, 3))
    spacing = tuple(float(step) for step in random.uniform(0.3, 5, 3))
    masks = [random.random(shape) < share for share in random.uniform(0.05, 0.95, 2)]
    for mask in masks:
        mask[tuple(random.integers(0, shape))] = True
    found = measure_surface_distance("any", masks[0], masks[1], _grid(shape, spacing))  # type: ignore[arg-type]
    assert _numbers(found) == pytest.approx(_by_hand(*masks, spacing), rel=1e-4, abs=1e-5)


def test_a_segment_that_fills_the_image_has_its_surface_at_the_edge() -> None:
    full = np.ones((5, 6, 7), bool)
    point = np.zeros_like(full)
    point[0, 0, 0] = True
    found = measure_surface_distance("full", full, point, _grid(full.shape, (1, 1, 1)))
    assert found.hausdorff_mm == pytest.approx(np.sqrt(4**2 + 5**2 + 6**2))
    assert found.to_truth.farthest == (4, 5, 6)
    assert found.to_result.largest == 0


def test_an_oblique_segmentation_that_leaves_slices_out_is_measured_in_the_millimetres_of_its_source(
    series: Series, masks: Any, write_seg: WriteSeg
) -> None:
    box = {"Box": np.zeros(SHAPE, bool)}
    box["Box"][2:4, 1:4, 2:5] = True
    seg = Segmentation(write_seg(series, box), sources=[series])
    for axis in range(3):
        truth = np.roll(box["Box"], 2, axis)
        assert seg.surface_distance("Box", truth).hausdorff_mm == pytest.approx(2 * SPACING[axis], rel=1e-3)
    liver = Segmentation(write_seg(series, masks), sources=[series]).surface_distance("Liver", masks["Tumour"])
    assert _numbers(liver) == pytest.approx(_by_hand(masks["Liver"], masks["Tumour"], SPACING), rel=1e-3)


def test_a_distance_names_the_voxel_that_is_farthest(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    seg = Segmentation(write_seg(series, masks), sources=[series])
    truth = masks["Liver"].copy()
    truth[3, 8, 6] = False
    found = seg.surface_distance("Liver", truth)
    assert found.to_truth.farthest == (3, 8, 6)
    assert found.hausdorff_mm.in_words("asserted it") == [
        "Hausdorff distance of 'Liver' is 8.14 mm: asserted it",
        "result to truth: at most 8.14 mm, 95 % within 0.00 mm, mean 0.22 mm; farthest mask[3, 8, 6] in slice 4 of 6",
        "truth to result: at most 0.00 mm, 95 % within 0.00 mm, mean 0.00 mm; farthest mask[1, 2, 1] in slice 2 of 6",
    ]


def test_an_empty_mask_has_no_surface(series: Series, masks: Any, write_seg: WriteSeg) -> None:
    seg = Segmentation(write_seg(series, masks), sources=[series])
    with pytest.raises(CheckError, match="the truth of 'Liver' is empty: it has no surface"):
        seg.surface_distance("Liver", np.zeros(SHAPE, bool))


def test_slices_that_are_unevenly_spaced_have_no_surface_distance(
    masks: Any, write_seg: WriteSeg, tmp_path: Path
) -> None:
    gap = read_input(write_series(tmp_path / "gap", uid="1.2.3.5", places=[0, 3, 6, 12, 15, 18]))[0]
    seg = Segmentation(write_seg(gap, masks), sources=[gap])
    with pytest.raises(CheckError, match="the slices of 'Liver' are not evenly spaced"):
        seg.surface_distance("Liver", masks["Liver"])


def test_without_simpleitk_the_package_is_named(
    series: Series, masks: Any, write_seg: WriteSeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "SimpleITK":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    seg = Segmentation(write_seg(series, masks), sources=[series])
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="surface distances need SimpleITK") as caught:
        seg.surface_distance("Liver", masks["Liver"])
    assert "pip install SimpleITK" in caught.value.fix
    assert seg.compare(masks, distances=False)["Liver"].dice == 1.0
