"""Letters at the edges of pictures say where the patient's sides lie."""

from __future__ import annotations

import math

import pytest

from harness.geometry.grid import Grid, Vector
from harness.report.directions import Edges, find_edges, name_direction

X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
MINUS_X, MINUS_Z = (-1.0, 0.0, 0.0), (0.0, 0.0, -1.0)


def _grid(row_direction: Vector, column_direction: Vector) -> Grid:
    return Grid(4, 4, (1.0, 1.0), row_direction, column_direction, ((0.0, 0.0, 0.0),))


@pytest.mark.parametrize(
    ("direction", "name"),
    [
        (X, "L"),
        (MINUS_X, "R"),
        (Y, "P"),
        (MINUS_Z, "F"),
        ((math.cos(math.radians(15)), math.sin(math.radians(15)), 0.0), "L"),
        ((math.cos(math.radians(30)), 0.0, math.sin(math.radians(30))), "LH"),
        ((0.0, -math.sin(math.radians(60)), math.cos(math.radians(60))), "AH"),
    ],
)
def test_a_direction_is_named_by_the_axes_that_it_follows(direction: Vector, name: str) -> None:
    assert name_direction(direction) == name


def test_an_axial_slice_has_the_right_side_at_the_left_and_the_front_on_top() -> None:
    axial, coronal, sagittal = find_edges(_grid(X, Y), upright=True)
    assert axial == Edges(top="A", bottom="P", left="R", right="L")
    assert coronal == Edges(top="H", bottom="F", left="R", right="L")
    assert sagittal == Edges(top="H", bottom="F", left="A", right="P")


def test_planes_that_are_not_turned_begin_with_the_first_slice() -> None:
    _, coronal, _ = find_edges(_grid(X, Y), upright=False)
    assert (coronal.top, coronal.bottom) == ("F", "H")


def test_a_mirrored_slice_has_the_left_side_at_the_left() -> None:
    axial, *_ = find_edges(_grid(MINUS_X, Y), upright=False)
    assert (axial.left, axial.right) == ("L", "R")


def test_a_sagittal_acquisition_shows_the_head_on_top() -> None:
    slices, across_rows, _ = find_edges(_grid(Y, MINUS_Z), upright=False)
    assert slices == Edges(top="H", bottom="F", left="A", right="P")
    assert (across_rows.top, across_rows.bottom) == ("L", "R")
